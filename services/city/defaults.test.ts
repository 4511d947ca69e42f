import { fromBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { CitySchema } from "../../gen/es/ridemesh/city/v1/city_pb.js";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { validateMessage } from "../runtime/validation.js";
import { cityConfig } from "./config.js";

describe("cities that come along", () => {
  const { operators, cities } = cityConfig({});

  it("keep to the contract's rules, as those must that an admin writes", () => {
    expect(cities.length).to.be.above(0);
    for (const city of cities) {
      validateMessage(CitySchema, fromBinary(CitySchema, City.encode(city).finish()));
    }
  });

  it("belong to the operators that come along, each with a host of its own", () => {
    const tenants = operators.map((one) => one.tenantId);
    for (const city of cities) expect(tenants).to.include(city.tenantId);
    const hosts = operators.flatMap((one) => one.hosts);
    expect(new Set(hosts).size).to.equal(hosts.length);
  });

  it("stay away when told so", () => {
    const none = cityConfig({ RIDEMESH_DEFAULT_CITIES: "false" });
    expect(none).to.deep.equal({ operators: [], cities: [] });
  });
});
