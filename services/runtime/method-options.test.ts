import { expect } from "chai";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import {
  GetTripRequestSchema,
  TripService,
} from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { TripInternalService } from "../../gen/es/ridemesh/trip/v1/trip_internal_service_pb.js";
import { declareMethod } from "../testing/declare-method.js";
import {
  isExternal,
  isReadOnly,
  policyOf,
  rpcName,
  rpcPath,
  serviceNameOf,
} from "./method-options.js";
import { optionOf } from "./options.js";

describe("method options", () => {
  it("reads a policy with its ownership", () => {
    const policy = policyOf(TripService.method.getTrip);
    expect(policy.access?.any).to.deep.equal([Role.ADMIN, Role.SUPPORT]);
    expect(policy.access?.own).to.deep.equal([Role.RIDER, Role.DRIVER]);
    expect(policy.access?.ownership.value).to.include({ name: "trip", idField: "trip_id" });
    expect(policy.deadlineMs).to.equal(2000);
  });

  it("reads a policy once", () => {
    expect(policyOf(TripService.method.getTrip)).to.equal(policyOf(TripService.method.getTrip));
  });

  it("tells external methods from internal ones, and reads from writes", () => {
    expect(isExternal(TripService.method.getTrip)).to.equal(true);
    expect(isExternal(TripInternalService.method.offerTrip)).to.equal(false);
    expect(isReadOnly(TripService.method.getTrip)).to.equal(true);
    expect(isReadOnly(TripService.method.acceptTrip)).to.equal(false);
  });

  it("names services and methods", () => {
    expect(serviceNameOf(TripService)).to.equal("trip");
    expect(serviceNameOf(TripInternalService.method.offerTrip)).to.equal("trip");
    expect(rpcName(TripService.method.getTrip)).to.equal("ridemesh.trip.v1.TripService/GetTrip");
    expect(rpcPath(TripService.method.getTrip)).to.equal("/ridemesh.trip.v1.TripService/GetTrip");
  });

  it("tells a field's option from its absence", () => {
    const [tripId] = GetTripRequestSchema.fields;
    expect(optionOf(tripId!, "buf.validate.field")?.type.case).to.equal("string");
    expect(optionOf(tripId!, "ridemesh.options.v1.pii")).to.equal(undefined);
  });

  it("refuses a method without a policy, by name", () => {
    expect(() => policyOf(declareMethod({}))).to.throw(
      "ridemesh.example.v1.ExampleService/DoIt declares no policy",
    );
  });
});
