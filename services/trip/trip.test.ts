import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { Party, TripState } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { addSeconds } from "../runtime/clock.js";
import {
  after,
  allStates,
  carriedOut,
  dollars,
  driverId,
  noon,
  offerTo,
  otherDriverId,
  requested,
  riderId,
  sampleTerms,
  strangerId,
  tripIn,
} from "./sample.test.js";
import {
  decide,
  isActive,
  isOver,
  needsSettlement,
  owesFee,
  stateName,
  type Command,
  type Decision,
  type Rejection,
  type Trip,
} from "./trip.js";

const { RIDER, DRIVER, STAFF } = Party;
/** All commands of the table come 14 s after the request, but for a no-show. */
const now = addSeconds(noon, 14);
const late = addSeconds(noon, 1000);
const fare = sampleTerms().fare!;
const paidBy = (paymentId: string): Command => ({
  kind: "paid",
  paymentId,
  total: dollars(12.5),
  driverShare: dollars(10),
});
const failedBy = (paymentId: string): Command => ({
  kind: "payment_failed",
  paymentId,
  total: dollars(12.5),
  reason: "card_declined",
});
const cancelBy = (party: Party.RIDER | Party.DRIVER | Party.STAFF): Command => ({
  kind: "cancel",
  party,
  reason: "why",
});

/** The commands of the table, each made for the trip that it is given to. */
const commands: Record<string, (trip: Trip) => Command> = {
  "begin matching": (trip) => ({ kind: "begin_matching", searchNumber: trip.searchNumber }),
  "begin another search": () => ({ kind: "begin_matching", searchNumber: 7 }),
  offer: (trip) => offerTo(trip, [strangerId], now),
  "offer of another search": (trip) =>
    offerTo({ ...trip, searchNumber: trip.searchNumber + 1 }, [strangerId], now),
  "offer again": (trip) => ({ ...offerTo(trip, [], now), offers: trip.offers }) as Command,
  "withdraw offer": (trip) => ({
    kind: "withdraw_offer",
    offerId: trip.offers[1]?.offerId ?? randomUUID(),
  }),
  "withdraw unknown": () => ({ kind: "withdraw_offer", offerId: randomUUID() }),
  "accept by the offered": () => ({ kind: "accept", driverId }),
  "accept by another": () => ({ kind: "accept", driverId: otherDriverId }),
  "accept by a stranger": () => ({ kind: "accept", driverId: strangerId }),
  arriving: () => ({ kind: "arriving" }),
  arrived: () => ({ kind: "arrived" }),
  start: () => ({ kind: "start", pin: "4711" }),
  "start, wrong PIN": () => ({ kind: "start", pin: "4712" }),
  complete: () => ({ kind: "complete" }),
  "cancel by the rider": () => cancelBy(RIDER),
  "cancel by the driver": () => cancelBy(DRIVER),
  "cancel by staff": () => cancelBy(STAFF),
  "no-show, early": () => ({ kind: "no_show" }),
  "no-show, late": () => ({ kind: "no_show" }),
  expire: (trip) => ({ kind: "expire", searchNumber: trip.searchNumber, reason: "x" }),
  "expire another search": () => ({ kind: "expire", searchNumber: 7, reason: "x" }),
  "record fare": () => ({ kind: "record_fare", fare, distanceMeters: 3300 }),
  paid: () => paidBy(randomUUID()),
  "payment failed": () => failedBy(randomUUID()),
};

/**
 * What becomes of a trip: the state after the command, `=` when it was carried out before and nothing
 * changes, `.` for an illegal transition, or the reason of the refusal.
 */
const table = `
                        | REQ | MAT | ACC | ING | ARR | STA | COM | PAI | FAI | CAN | EXP | event
begin matching          | MAT |  =  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  | TripMatchingStarted
begin another search    | over| over| over| over| over| over| over| over| over| over| over|
offer                   |  .  | MAT |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  | TripMatched
offer of another search |  .  | over|  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |
offer again             |  .  |  =  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |
withdraw offer          |  =  | MAT |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  | TripOfferWithdrawn
withdraw unknown        |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  |  =  |
accept by the offered   |  .  | ACC |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  | TripAccepted
accept by another       |  .  | ACC |taken|taken|taken|taken|  .  |  .  |  .  |  .  |  .  | TripAccepted
accept by a stranger    |  .  | late|taken|taken|taken|taken|  .  |  .  |  .  |  .  |  .  |
arriving                |  .  |  .  | ING |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  | DriverArriving
arrived                 |  .  |  .  |  .  | ARR |  .  |  .  |  .  |  .  |  .  |  .  |  .  | DriverArrived
start                   |  .  |  .  |  .  |  .  | STA |  .  |  .  |  .  |  .  |  .  |  .  | TripStarted
start, wrong PIN        |  .  |  .  |  .  |  .  | pin |  .  |  .  |  .  |  .  |  .  |  .  |
complete                |  .  |  .  |  .  |  .  |  .  | COM |  .  |  .  |  .  |  .  |  .  | TripCompleted
cancel by the rider     | CAN | CAN | CAN | CAN | CAN |  .  |  .  |  .  |  .  |  .  |  .  | TripCancelled
cancel by the driver    |  .  |  .  | MAT | MAT | MAT |  .  |  .  |  .  |  .  |  .  |  .  | TripDriverCancelled
cancel by staff         | CAN | CAN | CAN | CAN | CAN |  .  |  .  |  .  |  .  |  .  |  .  | TripCancelled
no-show, early          |  .  |  .  |  .  |  .  |early|  .  |  .  |  .  |  .  |  .  |  .  |
no-show, late           |  .  |  .  |  .  |  .  | CAN |  .  |  .  |  .  |  .  |  .  |  .  | TripCancelled
expire                  |  .  | EXP |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  =  | TripExpired
expire another search   |  .  | over|  .  |  .  |  .  |  .  |  .  |  .  |  .  |  .  |  =  |
record fare             |  .  |  .  |  .  |  .  |  .  |  .  |  =  |  =  |  =  |  .  |  .  |
paid                    |  .  |  .  |  .  |  .  |  .  |  .  | PAI |  =  | PAI |  .  |  .  | PaymentProcessed
payment failed          |  .  |  .  |  .  |  .  |  .  |  .  | FAI |  =  |  =  |  .  |  .  | PaymentFailed
`;

const codes: Record<string, TripState> = {
  REQ: TripState.REQUESTED,
  MAT: TripState.MATCHING,
  ACC: TripState.ACCEPTED,
  ING: TripState.DRIVER_ARRIVING,
  ARR: TripState.DRIVER_ARRIVED,
  STA: TripState.STARTED,
  COM: TripState.COMPLETED,
  PAI: TripState.PAYMENT_PROCESSED,
  FAI: TripState.PAYMENT_FAILED,
  CAN: TripState.CANCELLED,
  EXP: TripState.EXPIRED,
};
const reasons: Record<string, string> = {
  ".": "ILLEGAL_TRANSITION",
  over: "SEARCH_OVER",
  taken: "TRIP_TAKEN",
  late: "OFFER_EXPIRED",
  pin: "WRONG_PIN",
  early: "TOO_EARLY",
};

describe("a trip", () => {
  const [header, ...rows] = table
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const columns = header!.slice(1, -1);

  it("has a row for every command and a column for every state in the table of its rules", () => {
    expect(rows.map(([name]) => name)).to.deep.equal(Object.keys(commands));
    expect(columns.map((column) => codes[column])).to.deep.equal(allStates);
    const kinds = Object.values(commands).map((make) => make(requested()).kind);
    expect([...new Set(kinds)]).to.have.length(14);
  });

  for (const [name, ...cells] of rows) {
    const event = cells.pop();
    describe(`on "${name}"`, () => {
      for (const [i, cell] of cells.entries()) {
        const state = codes[columns[i]!]!;
        const outcome = codes[cell]
          ? `becomes ${TripState[codes[cell]]}`
          : (reasons[cell] ?? "stays");
        it(`${TripState[state]} ${outcome}`, () => {
          const trip = tripIn(state);
          const command = commands[name!]!(trip);
          expectOutcome(
            trip,
            decide(trip, command, name === "no-show, late" ? late : now),
            cell,
            event!,
          );
        });
      }
    });
  }

  function expectOutcome(trip: Trip, result: Decision | Rejection, cell: string, event: string) {
    if (result.refused) {
      expect(result.reason).to.equal(reasons[cell] ?? cell);
      if (cell === ".") {
        expect(result.metadata).to.deep.equal({ state: stateName(trip.state) });
        expect(result.message).to.contain(`in state TRIP_STATE_${TripState[trip.state]}`);
      }
      return;
    }
    if (cell === "=") {
      expect(result.event).to.equal(undefined);
      expect(result.trip).to.equal(trip);
      return;
    }
    expect(result.trip.state).to.equal(codes[cell]);
    expect(result.trip.version).to.equal(trip.version + 1n);
    expect(result.event!.type.$type).to.equal(`ridemesh.trip.v1.${event}`);
    expect(result.event!.message).to.deep.include({
      tripId: trip.tripId,
      version: trip.version + 1n,
    });
    expect(result.event!.type.encode(result.event!.message).finish()).to.have.length.above(36);
  }

  it("is never changed in place", () => {
    for (const state of allStates) {
      const trip = tripIn(state);
      const before = structuredClone(trip);
      for (const make of Object.values(commands)) decide(trip, make(trip), now);
      expect(trip).to.deep.equal(before);
    }
  });

  it("is active from the request until the ride ends, and over after the last of the states", () => {
    expect(allStates.filter(isActive).map((s) => TripState[s])).to.deep.equal([
      "REQUESTED",
      "MATCHING",
      "ACCEPTED",
      "DRIVER_ARRIVING",
      "DRIVER_ARRIVED",
      "STARTED",
    ]);
    expect(allStates.filter(isOver).map((s) => TripState[s])).to.deep.equal([
      "PAYMENT_PROCESSED",
      "PAYMENT_FAILED",
      "CANCELLED",
      "EXPIRED",
    ]);
  });

  describe("being accepted", () => {
    it("has its driver and the time", () => {
      const { trip, event } = carriedOut(
        tripIn(TripState.MATCHING),
        { kind: "accept", driverId },
        now,
      );
      expect(trip).to.deep.include({ driverId, acceptTime: now });
      const facts = { riderId, driverId, cityId: "new-york", searchNumber: 1 };
      expect(event!.message).to.deep.include(facts);
    });

    it("is refused from the moment on at which the offer ends", () => {
      const trip = tripIn(TripState.MATCHING);
      const { expireTime } = trip.offers[0]!;
      const accept: Command = { kind: "accept", driverId };
      expect(decide(trip, accept, addSeconds(expireTime, -0.001))).to.include({ refused: false });
      expect(decide(trip, accept, expireTime)).to.include({ reason: "OFFER_EXPIRED" });
    });

    it("is refused after the offer was withdrawn", () => {
      const trip = tripIn(TripState.MATCHING);
      const { offerId } = trip.offers[0]!;
      const left = after(trip, { kind: "withdraw_offer", offerId }, now);
      expect(decide(left, { kind: "accept", driverId }, now)).to.include({
        reason: "OFFER_EXPIRED",
      });
      expect(decide(left, { kind: "accept", driverId: otherDriverId }, now)).to.include({
        refused: false,
      });
    });

    it("is refused on an offer of an earlier search", () => {
      const trip = tripIn(TripState.MATCHING);
      const searching = { ...trip, searchNumber: 2 };
      expect(decide(searching, { kind: "accept", driverId }, now)).to.include({
        reason: "OFFER_EXPIRED",
      });
    });
  });

  describe("given back by its driver", () => {
    const accepted = tripIn(TripState.ACCEPTED);
    const { trip, event } = carriedOut(accepted, cancelBy(DRIVER), now);

    it("searches anew without him, as if nobody had accepted", () => {
      expect(trip).to.deep.include({
        state: TripState.MATCHING,
        driverId: undefined,
        acceptTime: undefined,
        searchNumber: 2,
        offers: [],
        excludedDriverIds: [driverId],
        cancellation: undefined,
      });
      const facts = { driverId, searchNumber: 2, cityId: "new-york" };
      expect(event!.message).to.deep.include(facts);
    });

    it("forgets that he had arrived", () => {
      const arrived = after(tripIn(TripState.DRIVER_ARRIVED), cancelBy(DRIVER), now);
      expect(arrived.arriveTime).to.equal(undefined);
    });

    it("can be accepted by another and given back again, by each once", () => {
      const second = after(trip, offerTo(trip, [otherDriverId], now), now);
      const taken = after(second, { kind: "accept", driverId: otherDriverId }, now);
      expect(taken.driverId).to.equal(otherDriverId);
      const again = after(taken, cancelBy(DRIVER), now);
      expect(again).to.deep.include({
        searchNumber: 3,
        excludedDriverIds: [driverId, otherDriverId],
      });
    });

    it("cannot be accepted by him on the offer that he had", () => {
      expect(decide(trip, { kind: "accept", driverId }, now)).to.include({
        reason: "OFFER_EXPIRED",
      });
    });

    it("costs the rider nothing, and neither does cancelling while it searches again", () => {
      const cancelled = after(trip, cancelBy(RIDER), addSeconds(noon, 5000));
      expect(cancelled.cancellation!.fee).to.deep.equal(dollars(0));
      expect(owesFee(cancelled)).to.equal(false);
    });
  });

  describe("cancelled", () => {
    it("says by whom, why, and for how much", () => {
      const { trip, event } = carriedOut(
        tripIn(TripState.ACCEPTED),
        cancelBy(RIDER),
        addSeconds(noon, 10 + 200),
      );
      const fee = dollars(5);
      expect(trip.cancellation).to.deep.equal({ party: RIDER, reason: "why", fee });
      expect(trip.endTime).to.deep.equal(addSeconds(noon, 210));
      const facts = { driverId, riderId, party: RIDER, fee, noShow: false, cityId: "new-york" };
      expect(event!.message).to.deep.include(facts);
    });

    it("by staff is free, however late", () => {
      const trip = after(tripIn(TripState.DRIVER_ARRIVED), cancelBy(STAFF), late);
      expect(trip.cancellation).to.deep.include({ party: STAFF, fee: dollars(0) });
    });

    it("stays cancelled when its fee is paid, and when it cannot be", () => {
      const owing = after(tripIn(TripState.ACCEPTED), cancelBy(RIDER), late);
      expect(owesFee(owing)).to.equal(true);
      const failed = after(owing, failedBy("p-1"), late);
      expect(failed).to.deep.include({
        state: TripState.CANCELLED,
        paymentFailure: "card_declined",
      });
      const paid = after(failed, paidBy("p-1"), late);
      expect(paid).to.deep.include({
        state: TripState.CANCELLED,
        paymentFailure: "",
        paymentId: "p-1",
        payTime: late,
      });
    });
  });

  describe("whose rider does not come", () => {
    const arrived = tripIn(TripState.DRIVER_ARRIVED);
    const noShow: Command = { kind: "no_show" };

    it("waits for him as long as the terms say, and says how much longer", () => {
      const at = (seconds: number) =>
        decide(arrived, noShow, addSeconds(arrived.arriveTime!, seconds));
      expect(at(0)).to.deep.include({
        reason: "TOO_EARLY",
        metadata: { allowed_in_seconds: "300" },
      });
      expect(at(299.5)).to.deep.include({ metadata: { allowed_in_seconds: "1" } });
      expect(at(300)).to.include({ refused: false });
    });

    it("costs him the higher fee", () => {
      const { trip, event } = carriedOut(arrived, noShow, late);
      expect(trip.cancellation).to.deep.equal({
        party: DRIVER,
        reason: "no_show",
        fee: dollars(10),
      });
      expect(event!.message).to.deep.include({ noShow: true, fee: dollars(10) });
      expect(needsSettlement(arrived, trip)).to.equal(true);
    });
  });

  describe("being started", () => {
    it("takes the rider's own PIN and no other", () => {
      const arrived = tripIn(TripState.DRIVER_ARRIVED);
      for (const pin of ["", "0000", "47110", "471", " 4711"]) {
        expect(decide(arrived, { kind: "start", pin }, now)).to.include({ reason: "WRONG_PIN" });
      }
      expect(after(arrived, { kind: "start", pin: "4711" }, now).startTime).to.deep.equal(now);
    });
  });

  describe("being paid", () => {
    it("keeps the fare that was recorded first", () => {
      const priced = tripIn(TripState.COMPLETED);
      const other = { ...fare, total: dollars(99) };
      const command: Command = { kind: "record_fare", fare: other, distanceMeters: 1 };
      expect(carriedOut(priced, command, now).trip.finalFare).to.deep.equal(fare);
      const unpriced = { ...priced, finalFare: undefined, distanceMeters: 0 };
      const recorded = carriedOut(unpriced, command, now);
      expect(recorded.trip).to.deep.include({ finalFare: other, distanceMeters: 1 });
      expect(recorded.event!.type.$type).to.equal("ridemesh.trip.v1.FareCalculated");
    });

    it("keeps the first payment, and is owed no more once it was paid", () => {
      const paid = after(tripIn(TripState.COMPLETED), paidBy("first"), now);
      expect(after(paid, paidBy("second"), late).paymentId).to.equal("first");
      expect(after(paid, failedBy("second"), late).paymentFailure).to.equal("");
    });

    it("owes the fare after a failure, until it is paid after all", () => {
      const failed = after(tripIn(TripState.COMPLETED), failedBy("p-1"), now);
      expect(failed).to.include({ paymentId: "p-1", paymentFailure: "card_declined" });
      const paid = after(failed, paidBy("p-1"), late);
      expect(paid).to.deep.include({
        state: TripState.PAYMENT_PROCESSED,
        paymentFailure: "",
        payTime: late,
      });
    });

    it("is owed after a failure that gives no reason, too", () => {
      const command = { ...failedBy("p-1"), reason: "" } as Command;
      const failed = after(tripIn(TripState.COMPLETED), command, now);
      expect(failed.paymentFailure).to.have.length.above(0);
      expect(carriedOut(failed, command, now).event).to.equal(undefined);
    });
  });

  describe("leaves something to settle", () => {
    const leaves = (from: TripState, command: Command, at = now) => {
      const trip = tripIn(from);
      return needsSettlement(trip, after(trip, command, at));
    };

    it("when the ride is over", () => {
      expect(leaves(TripState.STARTED, { kind: "complete" })).to.equal(true);
    });

    it("when it was cancelled for a fee, and not when for free", () => {
      expect(leaves(TripState.ACCEPTED, cancelBy(RIDER), late)).to.equal(true);
      expect(leaves(TripState.ACCEPTED, cancelBy(RIDER))).to.equal(false);
      expect(leaves(TripState.ACCEPTED, cancelBy(STAFF), late)).to.equal(false);
      expect(leaves(TripState.MATCHING, cancelBy(RIDER), late)).to.equal(false);
    });

    it("once only, and never on the way there or after", () => {
      expect(leaves(TripState.COMPLETED, paidBy("p"))).to.equal(false);
      expect(leaves(TripState.COMPLETED, failedBy("p"))).to.equal(false);
      expect(leaves(TripState.ACCEPTED, { kind: "arriving" })).to.equal(false);
      const owing = after(tripIn(TripState.ACCEPTED), cancelBy(RIDER), late);
      expect(needsSettlement(owing, after(owing, failedBy("p"), late))).to.equal(false);
    });
  });
});
