import { expect } from "chai";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { Code, StatusError } from "../runtime/status.js";
import { checkClass, cityOfRide } from "./city-of-ride.js";

const box = (south: number, west: number, north: number, east: number) => [
  { lat: south, lng: west },
  { lat: north, lng: west },
  { lat: north, lng: east },
  { lat: south, lng: east },
];
const city = (cityId: string, serviceArea: City["serviceArea"]) =>
  City.fromPartial({
    cityId,
    name: cityId.toUpperCase(),
    serviceArea,
    vehicleClasses: [VehicleClass.ECONOMY, VehicleClass.XL],
  });
const east = city("east", box(10, 10, 11, 11));
const west = city("west", box(10, 5, 11, 6));
/** Overlaps east, and reaches far to the south. */
const south = city("south", box(5, 10, 10.5, 11));
const cities = [east, west, south];
const place = (lat: number, lng: number) => ({ point: { lat, lng }, address: "" });

function refusal(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

describe("the city of a ride", () => {
  it("holds both places", () => {
    expect(cityOfRide(cities, place(10.8, 10.2), place(10.9, 10.3)).cityId).to.equal("east");
    expect(cityOfRide(cities, place(10.2, 5.2), place(10.9, 5.3)).cityId).to.equal("west");
  });

  it("is, of two that hold the pickup, the one that holds the dropoff too", () => {
    expect(cityOfRide(cities, place(10.2, 10.2), place(9.9, 10.3)).cityId).to.equal("south");
    expect(cityOfRide(cities, place(10.2, 10.2), place(10.9, 10.3)).cityId).to.equal("east");
  });

  const outside: [string, ReturnType<typeof place>, ReturnType<typeof place>, string, string][] = [
    ["a pickup in no city", place(10.5, 8.8), place(10.6, 10.2), "pickup", "east"],
    ["a pickup nearer to another", place(10.5, 7), place(10.6, 10.2), "pickup", "west"],
    ["a pickup across the world", place(-60, -170), place(-60, -170.1), "pickup", "south"],
    ["a dropoff in no city", place(10.6, 10.2), place(11.5, 10.5), "dropoff", "east"],
    ["a dropoff in another city", place(10.6, 10.2), place(10.5, 5.5), "dropoff", "west"],
  ];
  for (const [what, pickup, dropoff, field, nearest] of outside) {
    it(`refuses ${what}, naming the field and the nearest city`, () => {
      const error = refusal(() => cityOfRide(cities, pickup, dropoff));
      expect(error.code).to.equal(Code.FAILED_PRECONDITION);
      expect(error.reason).to.equal("OUTSIDE_SERVICE_AREA");
      expect(error.metadata).to.deep.equal({ nearest_city: nearest });
      expect(error.violations.map((v) => v.field)).to.deep.equal([field]);
    });
  }

  it("names no city where the operator has none", () => {
    const error = refusal(() => cityOfRide([], place(10, 10), place(10, 10.1)));
    expect(error.reason).to.equal("OUTSIDE_SERVICE_AREA");
    expect(error.metadata).to.deep.equal({});
  });

  it("refuses places less than 5 m apart", () => {
    // 0.00004° of latitude are 4 m, 0.00005° are 6 m.
    const error = refusal(() => cityOfRide(cities, place(10.6, 10.2), place(10.60004, 10.2)));
    expect(error.code).to.equal(Code.INVALID_ARGUMENT);
    expect(error.reason).to.equal("BAD_ROUTE");
    expect(error.violations.map((v) => v.field)).to.deep.equal(["dropoff"]);
    expect(cityOfRide(cities, place(10.6, 10.2), place(10.60005, 10.2)).cityId).to.equal("east");
  });

  it("refuses places more than 200 km apart", () => {
    const error = refusal(() => cityOfRide(cities, place(10.4, 10.2), place(8.5, 10.2)));
    expect(error.reason).to.equal("BAD_ROUTE");
    expect(cityOfRide(cities, place(10.4, 10.2), place(8.7, 10.2)).cityId).to.equal("south");
  });

  it("serves only its classes", () => {
    checkClass(east, VehicleClass.XL);
    const error = refusal(() => checkClass(east, VehicleClass.PREMIUM));
    expect(error.code).to.equal(Code.FAILED_PRECONDITION);
    expect(error.reason).to.equal("CLASS_NOT_SERVED");
    expect(error.metadata).to.deep.equal({
      city_id: "east",
      vehicle_classes: "VEHICLE_CLASS_ECONOMY, VEHICLE_CLASS_XL",
    });
  });
});
