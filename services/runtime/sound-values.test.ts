import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import { BatchReportLocationsRequestSchema } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import {
  RateTripRequestSchema,
  RequestTripRequestSchema,
} from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { unsoundValues } from "./sound-values.js";
import { failure } from "../testing/failure.js";
import { Code } from "./status.js";
import { validateMessage } from "./validation.js";

describe("values that no field can hold", () => {
  const fieldsOf = (found: { field: string }[]) => found.map(({ field }) => field);

  it("are texts with a NUL, wherever they are", () => {
    const place = { point: { lat: 1, lng: 2 } };
    const request = create(RequestTripRequestSchema, {
      quoteToken: "a\0b",
      pickup: { ...place, address: "\0" },
      dropoff: { ...place, address: "Main Street" },
    });
    expect(fieldsOf(unsoundValues(RequestTripRequestSchema, request))).to.deep.equal([
      "quote_token",
      "pickup.address",
    ]);
    const rating = create(RateTripRequestSchema, { tags: ["clean_car", "a\0"] });
    expect(fieldsOf(unsoundValues(RateTripRequestSchema, rating))).to.deep.equal(["tags[1]"]);
  });

  it("are times outside the years 0001 to 9999", () => {
    const at = (seconds: bigint, nanos = 0) => ({ observeTime: { seconds, nanos } });
    const request = create(BatchReportLocationsRequestSchema, {
      points: [
        at(-62_135_596_800n),
        at(-62_135_596_801n),
        at(253_402_300_799n),
        at(253_402_300_800n),
        at(0n, -1),
        at(0n, 1_000_000_000),
        {},
      ],
    });
    expect(fieldsOf(unsoundValues(BatchReportLocationsRequestSchema, request))).to.deep.equal([
      "points[1].observe_time",
      "points[3].observe_time",
      "points[4].observe_time",
      "points[5].observe_time",
    ]);
  });

  it("are refused like any other broken rule, together with those", async () => {
    const request = create(RateTripRequestSchema, { tripId: "x", stars: 9, comment: "a\0b" });
    const error = await failure(
      Promise.resolve().then(() => validateMessage(RateTripRequestSchema, request)),
    );
    expect(error.code).to.equal(Code.INVALID_ARGUMENT);
    expect(error.reason).to.equal("INVALID_REQUEST");
    expect(fieldsOf(error.violations)).to.deep.equal(["trip_id", "stars", "comment"]);
  });
});
