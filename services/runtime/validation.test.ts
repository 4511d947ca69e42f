import { create, toBinary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { CitySchema } from "../../gen/es/ridemesh/city/v1/city_pb.js";
import { RequestTripRequestSchema } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import type { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { allServices } from "./contract.js";
import { Code, StatusError } from "./status.js";
import { compileRules, decodeValid, validateMessage } from "./validation.js";

function problems(act: () => unknown): StatusError {
  try {
    act();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("nothing was wrong with it");
}

const place = (lat: number, lng: number) => ({ point: { lat, lng } });

describe("validation", () => {
  it("takes what keeps the rules, and gives it back decoded", () => {
    const request = create(RequestTripRequestSchema, { quoteToken: "abc" });
    const bytes = toBinary(RequestTripRequestSchema, request);
    expect(decodeValid(RequestTripRequestSchema, bytes)).to.deep.include({ quoteToken: "abc" });
  });

  it("names every field that breaks a rule by its path, with the rule", () => {
    const request = create(RequestTripRequestSchema, {
      pickup: place(91, 0),
      dropoff: place(0, -181),
      vehicleClass: 1,
      cardId: "x",
    });
    const error = problems(() => validateMessage(RequestTripRequestSchema, request));
    expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
    expect(error.violations.map(({ field, rule }) => [field, rule])).to.deep.equal([
      ["pickup.point.lat", "double.gte_lte"],
      ["dropoff.point.lng", "double.gte_lte"],
      ["card_id", "string.uuid"],
    ]);
    expect(error.message).to.match(/^pickup\.point\.lat: /);
  });

  it("names elements of lists by their index", () => {
    const city = create(CitySchema, {
      name: "x",
      timeZone: "UTC",
      currencyCode: "USD",
      serviceArea: [
        { lat: 0, lng: 0 },
        { lat: 0, lng: 200 },
        { lat: 1, lng: 1 },
      ],
      vehicleClasses: [1, 99 as VehicleClass],
      dispatch: { offerSeconds: 15, roundSeconds: 15, roundRadiusMeters: [2000, 5], maxOffers: 5 },
      fareMode: 1,
    });
    const error = problems(() => validateMessage(CitySchema, city));
    expect(error.violations.map(({ field }) => field)).to.deep.equal([
      "service_area[1].lng",
      "vehicle_classes[1]",
      "dispatch.round_radius_meters[1]",
    ]);
  });

  it("tells rules of a whole message by their own words", () => {
    const request = create(RequestTripRequestSchema);
    const error = problems(() => validateMessage(RequestTripRequestSchema, request));
    expect(error.message).to.equal("give quote_token, or pickup, dropoff and vehicle_class");
    expect(error.violations[0]).to.include({ rule: "request_trip.quote_or_places", field: "" });
  });

  it("refuses bytes that are no such message", () => {
    const error = problems(() => decodeValid(RequestTripRequestSchema, Uint8Array.of(0xff, 0xff)));
    expect(error).to.include({
      code: Code.INVALID_ARGUMENT,
      message: "the body is not a ridemesh.trip.v1.RequestTripRequest",
    });
  });

  it("has rules that compile for every request of the contract", () => {
    const inputs = allServices().flatMap((service) => service.methods.map((m) => m.input));
    expect(inputs).to.have.length.above(40);
    compileRules(inputs);
    for (const input of inputs) {
      try {
        validateMessage(input, create(input));
      } catch (error) {
        expect(error).to.be.instanceOf(StatusError);
      }
    }
  });
});
