import { expect } from "chai";
import {
  Availability,
  OnboardingStatus,
  type Vehicle,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { decideAvailability, type Readiness } from "./availability.js";
import { requiredDocuments } from "./onboarding.js";

const now = new Date("2019-03-01T12:00:00Z");
const { ONLINE, OFFLINE } = Availability;
const first = "018f0000-0000-7000-8000-000000000001";
const second = "018f0000-0000-7000-8000-000000000002";
const vehicle = (vehicleId: string): Vehicle => ({
  vehicleId,
  plate: "AB 123",
  make: "Toyota",
  model: "Corolla",
  year: 2018,
  color: "white",
  vehicleClass: VehicleClass.ECONOMY,
  seats: 4,
});
const documents = requiredDocuments.map((type) => ({
  documentId: "",
  type,
  expireTime: new Date("2020-01-01T00:00:00Z"),
  contentType: "image/png",
  sizeBytes: 8,
  createTime: now,
}));
const ready: Readiness = {
  onboardingStatus: OnboardingStatus.APPROVED,
  documents,
  vehicles: [vehicle(first)],
  availability: OFFLINE,
  vehicleId: undefined,
  onTrip: false,
};
const two = [vehicle(first), vehicle(second)];
const online = (driver: Readiness, vehicleId = "") =>
  decideAvailability(driver, ONLINE, vehicleId, now);
const offline = (driver: Readiness) => decideAvailability(driver, OFFLINE, "", now);
const reasonOf = (turn: ReturnType<typeof online>) =>
  turn.outcome === "refused" ? turn.rejection.reason : turn.outcome;

describe("availability rules", () => {
  it("takes the only vehicle when none is named", () => {
    expect(online(ready)).to.deep.equal({
      outcome: "turned",
      availability: ONLINE,
      vehicleId: first,
    });
  });

  it("takes the vehicle that is named, in whatever case", () => {
    const turn = online({ ...ready, vehicles: two }, second.toUpperCase());
    expect(turn).to.deep.include({ vehicleId: second });
  });

  it("keeps the vehicle that was driven last when none is named", () => {
    const turn = online({ ...ready, vehicles: two, vehicleId: second });
    expect(turn).to.deep.include({ vehicleId: second });
  });

  it("asks which when there are several and none was driven", () => {
    expect(online({ ...ready, vehicles: two }).outcome).to.equal("vehicle_unclear");
  });

  it("knows no vehicle of another driver", () => {
    expect(online(ready, second).outcome).to.equal("vehicle_unknown");
  });

  for (const onboardingStatus of [
    OnboardingStatus.APPLIED,
    OnboardingStatus.IN_REVIEW,
    OnboardingStatus.REJECTED,
    OnboardingStatus.SUSPENDED,
  ]) {
    it(`keeps ${OnboardingStatus[onboardingStatus]} offline`, () => {
      const turn = online({ ...ready, onboardingStatus });
      expect(turn).to.have.nested.property("rejection.reason", "NOT_APPROVED");
      expect(turn).to.have.nested.property(
        "rejection.metadata.onboarding_status",
        `ONBOARDING_STATUS_${OnboardingStatus[onboardingStatus]}`,
      );
      expect(offline({ ...ready, onboardingStatus }).outcome).to.equal("turned");
    });
  }

  it("refuses to go online with an expired or missing document, or without a vehicle", () => {
    const [one, ...others] = documents;
    const stale = [{ ...one!, expireTime: now }, ...others];
    expect(reasonOf(online({ ...ready, documents: stale }))).to.equal("DOCUMENT_EXPIRED");
    expect(reasonOf(online({ ...ready, documents: others }))).to.equal("DOCUMENT_MISSING");
    expect(reasonOf(online({ ...ready, vehicles: [] }))).to.equal("VEHICLE_MISSING");
  });

  it("refuses to go offline or to change the vehicle on a trip", () => {
    const busy = { ...ready, vehicles: two, availability: ONLINE, vehicleId: first, onTrip: true };
    expect(reasonOf(offline(busy))).to.equal("ON_TRIP");
    expect(reasonOf(online(busy, second))).to.equal("ON_TRIP");
    expect(online(busy, first).outcome).to.equal("turned");
  });

  it("lets a driver who was taken offline on a trip stay so", () => {
    expect(offline({ ...ready, onTrip: true }).outcome).to.equal("turned");
  });
});
