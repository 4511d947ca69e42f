/** The people of a replay: made before timing starts. */
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import { createApiPool, logIn, type Credentials, type Login } from "./api.js";
import type { DomainTime } from "./domain-time.js";
import { inParallel, onboardDriver, register } from "./onboarding.js";

export interface Population {
  riders: Login[];
  drivers: Login[];
}

const password = "replay-password-1";
/** So many are made at a time. */
const width = 16;

/** Registers riders and drivers of one operator and has the drivers approved. */
export async function populate(options: {
  url: string;
  admin: Credentials;
  cityId: string;
  riders: number;
  drivers: number;
  /** Distinguishes the people of one run from those of others on the same platform. */
  run: string;
  time: DomainTime;
  wall: WallClock;
  progress: (done: number, of: number) => void;
}): Promise<Population> {
  const { url, admin, run, time, wall } = options;
  const { operator } = admin;
  const pool = createApiPool(url);
  const reviewer = await logIn(pool.api(), admin, wall);
  const of = options.riders + options.drivers;
  let done = 0;
  const person = async (kind: "rider" | "driver", number: number): Promise<Login> => {
    const email = `${kind}-${number}-${run}@replay.example`;
    const displayName = `${kind === "rider" ? "Riley" : "Drew"} ${number}`;
    const role = kind === "rider" ? Role.RIDER : Role.DRIVER;
    const login = await register(
      pool.api(),
      { operator, email, password, displayName, role },
      wall,
    );
    if (kind === "driver") {
      const plate = `R${run.slice(0, 4)}${number}`.toUpperCase();
      await onboardDriver(login, reviewer, { cityId: options.cityId, plate, number }, time);
    }
    options.progress((done += 1), of);
    return login;
  };
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  return {
    riders: await inParallel(numbers(options.riders), width, (n) => person("rider", n)),
    drivers: await inParallel(numbers(options.drivers), width, (n) => person("driver", n)),
  };
}
