/** Settings of the city service. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { City as CityMessage } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { defaultCities, defaultOperators } from "./defaults.js";
import type { Operator } from "./store.js";

export interface CityConfig {
  /** Operators that must be there. */
  operators: Operator[];
  /** Cities that must be there; once they are, only the API changes them. */
  cities: City[];
}

/** From the environment; RIDEMESH_DEFAULT_CITIES=false starts without the cities that come along. */
export function cityConfig(env: Record<string, string | undefined>): CityConfig {
  const withDefaults = env["RIDEMESH_DEFAULT_CITIES"] !== "false";
  return {
    operators: withDefaults ? defaultOperators : [],
    cities: withDefaults ? defaultCities.map((city) => CityMessage.fromPartial(city)) : [],
  };
}
