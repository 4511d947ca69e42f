import { expect } from "chai";
import type { DriverCard } from "../../gen/grpc/ridemesh/driver/v1/driver_internal_service.js";
import type { RiderCard } from "../../gen/grpc/ridemesh/rider/v1/rider_internal_service.js";
import { Party, Trip as TripView, TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { wallClock } from "../runtime/clock.js";
import { silentLogger } from "../runtime/log.js";
import { unavailable } from "../runtime/status.js";
import { allStates, driverId, riderId, strangerId, tripIn } from "./sample.test.js";
import { createViews, partyOf, type Views } from "./view.js";

const { RIDER, DRIVER, STAFF } = Party;
type Viewer = Party.RIDER | Party.DRIVER | Party.STAFF;
const viewers: Viewer[] = [RIDER, DRIVER, STAFF];

const riderCard: RiderCard = { riderId, firstName: "Rita", ratingAverage: 4.7 };
const driverCard: DriverCard = {
  driverId,
  firstName: "Dan",
  ratingAverage: 4.9,
  vehicleDescription: "Blue Toyota Prius",
  plate: "NYC-123",
};

/** Which party sees a field of a trip that has come as far as to show it: R, D and S for staff. */
const fieldsByViewer: Record<keyof TripView, string> = {
  tripId: "RDS",
  state: "RDS",
  version: "RDS",
  riderId: "RDS",
  driverId: "RDS",
  cityId: "RDS",
  vehicleClass: "RDS",
  pickup: "RDS",
  dropoff: "RDS",
  pin: "R",
  driver: "RS",
  rider: "DS",
  quotedFare: "RDS",
  finalFare: "RDS",
  paymentMethod: "RDS",
  requestTime: "RDS",
  acceptTime: "RDS",
  arriveTime: "RDS",
  startTime: "RDS",
  completeTime: "RDS",
  endTime: "RDS",
  cancellation: "RDS",
  expireReason: "RDS",
  distanceMeters: "RDS",
  paymentId: "RS",
  paymentFailure: "RS",
  givenStars: "RDS",
};

describe("the view of a trip", () => {
  let riderCalls: number;
  let driverCalls: number;
  let away: boolean;
  /** For how long a view waits for a card. */
  let patienceMs: number;
  let views: Views;
  beforeEach(() => {
    [riderCalls, driverCalls, away] = [0, 0, false];
    views = createViews({
      riders: {
        listRiderCards: ({ riderIds }) => {
          riderCalls += 1;
          expect(riderIds).to.deep.equal([riderId]);
          return away
            ? Promise.reject(unavailable("away"))
            : Promise.resolve({ cards: [riderCard] });
        },
      },
      drivers: {
        listDriverCards: ({ driverIds }, origin) => {
          driverCalls += 1;
          patienceMs = origin!.deadlineMs! - wallClock.now().getTime();
          expect(driverIds).to.deep.equal([driverId]);
          const cards = [driverCard];
          return away ? Promise.reject(unavailable("away")) : Promise.resolve({ cards });
        },
      },
      wall: wallClock,
      log: silentLogger,
    });
  });

  /** A trip that has every field that a trip can have. */
  const full = () => {
    const paid = tripIn(TripState.PAYMENT_PROCESSED);
    const { cancellation, endTime, expireReason } = {
      ...tripIn(TripState.CANCELLED),
      expireReason: "no_driver_accepted",
    };
    return { ...paid, cancellation, endTime, expireReason, paymentFailure: "card_declined" };
  };
  const letter = (viewer: Viewer) => Party[viewer][0]!;
  const isShown = (value: unknown) =>
    value !== undefined && value !== "" && value !== 0 && value !== 0n;

  for (const viewer of viewers) {
    it(`shows ${Party[viewer]} exactly the fields that are for it`, async () => {
      const shown = await views.view(full(), viewer, 5);
      const fields = Object.keys(fieldsByViewer) as (keyof TripView)[];
      expect(Object.keys(shown)).to.have.members(fields);
      const expected = fields.filter((field) => fieldsByViewer[field].includes(letter(viewer)));
      expect(fields.filter((field) => isShown(shown[field]))).to.deep.equal(expected);
    });
  }

  it("knows every field of the contract", () => {
    expect(Object.keys(fieldsByViewer)).to.have.members(Object.keys(TripView.fromPartial({})));
  });

  it("shows the rider his driver's first name, rating, vehicle and plate, and nothing else", async () => {
    const { driver } = await views.view(full(), RIDER);
    expect(driver).to.deep.equal({
      firstName: "Dan",
      ratingAverage: 4.9,
      vehicleDescription: "Blue Toyota Prius",
      plate: "NYC-123",
    });
  });

  it("shows the driver his rider's first name and rating, and nothing else", async () => {
    const { rider } = await views.view(full(), DRIVER);
    expect(rider).to.deep.equal({ firstName: "Rita", ratingAverage: 4.7 });
  });

  it("shows the driver how, but not with which card he is paid for", async () => {
    const trip = full();
    const shown = await Promise.all(viewers.map((viewer) => views.view(trip, viewer)));
    const { kind, cardId } = trip.paymentMethod;
    expect(shown.map((view) => view.paymentMethod)).to.deep.equal([
      { kind, cardId },
      { kind, cardId: "" },
      { kind, cardId },
    ]);
  });

  for (const state of allStates) {
    it(`shows the PIN to the rider alone in ${TripState[state]}`, async () => {
      for (const viewer of viewers) {
        const { pin } = await views.view(tripIn(state), viewer);
        expect(pin).to.equal(viewer === RIDER ? "4711" : "");
      }
    });
  }

  it("shows no driver while there is none", async () => {
    const view = await views.view(tripIn(TripState.MATCHING), RIDER);
    expect(view).to.include({ driverId: "", driver: undefined });
    expect(driverCalls).to.equal(0);
  });

  it("asks for a card once, also for many views", async () => {
    const trip = full();
    for (let n = 0; n < 5; n += 1) await views.view(trip, STAFF);
    expect([riderCalls, driverCalls]).to.deep.equal([1, 1]);
  });

  it("keeps operators apart", async () => {
    await views.view(full(), STAFF);
    await views.view({ ...full(), tenantId: "harbor" }, STAFF);
    expect([riderCalls, driverCalls]).to.deep.equal([2, 2]);
  });

  it("is shown without cards while their services are away, and with them after", async () => {
    away = true;
    expect(await views.view(full(), STAFF)).to.include({ rider: undefined, driver: undefined });
    away = false;
    const view = await views.view(full(), STAFF);
    expect([view.rider!.firstName, view.driver!.firstName]).to.deep.equal(["Rita", "Dan"]);
  });

  it("waits for a card not nearly as long as a call may take", async () => {
    await views.view(full(), STAFF);
    expect(patienceMs).to.be.within(0, 600);
  });

  it("belongs to the rider, to the assigned driver, and else to staff", () => {
    const trip = full();
    expect([riderId, driverId, strangerId].map((id) => partyOf(trip, id))).to.deep.equal(viewers);
    expect(partyOf(tripIn(TripState.MATCHING), driverId)).to.equal(STAFF);
  });
});
