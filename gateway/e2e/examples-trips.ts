/** Examples of trips and payments. */
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { Code } from "../../services/runtime/status.js";
import { count, example, type Example, type Made } from "./example.js";
import type { World } from "./world.js";

const trip = (world: World, state: TripState) =>
  world.rides.upTo(state, { rider: world.riderA, driver: world.driverA, places: world.places });

/** An earlier trip of the same rider and driver. */
async function earlier(world: World, tripId: string): Promise<string> {
  const [row] = await world.platform.sql<{ trip_id: string }>(
    `SELECT trip_id FROM trip.trips WHERE rider_id = $1 AND driver_id = $2 AND trip_id <> $3 LIMIT 1`,
    [world.riderA.userId, world.driverA.userId, tripId],
  );
  return row!.trip_id;
}

/** How many events of a type the request's trip has. */
const events = (type: string) => (world: World, made: Made) =>
  count(world, "SELECT count(*) AS n FROM trip.trip_events WHERE trip_id = $1 AND type = $2", [
    made.request["tripId"],
    `ridemesh.trip.v1.${type}`,
  ]);

const ratings = (world: World, made: Made) =>
  count(world, "SELECT count(*) AS n FROM trip.ratings WHERE trip_id = $1", [
    made.request["tripId"],
  ]);

/** A rider whose wallet was empty when his ride ended, and who has a card by now. */
async function debtor(world: World) {
  const { people, rides, driverA: driver, places } = world;
  const rider = await people.register(Role.RIDER, "metro", "Dora Debtor");
  const { tripId } = await rides.upTo(
    TripState.PAYMENT_FAILED,
    { rider, driver, places },
    { payment: PaymentMethodKind.WALLET },
  );
  await people.call(PaymentService.method.addCard, rider, { cardToken: "tok_visa" });
  return { rider, tripId };
}

export const tripExamples: Example[] = [
  example(
    TripService.method.requestTrip,
    async ({ rides, riderA, places }) => {
      const { quoteToken } = await rides.quote(riderA, places);
      return { caller: riderA, request: { quoteToken, paymentMethod: PaymentMethodKind.CASH } };
    },
    {
      elsewhere: { code: Code.INVALID_ARGUMENT, reason: "QUOTE_INVALID" },
      leavesSearch: true,
      effects: (world) =>
        count(world, "SELECT count(*) AS n FROM trip.trips WHERE rider_id = $1", [
          world.riderA.userId,
        ]),
      other: () => ({ paymentMethod: PaymentMethodKind.WALLET }),
    },
  ),
  example(TripService.method.getTrip, async (world) => {
    const { tripId } = await trip(world, TripState.ACCEPTED);
    return { caller: world.riderA, request: { tripId } };
  }),
  example(TripService.method.listTrips, async (world) => {
    await trip(world, TripState.ACCEPTED);
    return { caller: world.riderA, request: {} };
  }),
  example(TripService.method.listRiderTrips, async (world) => {
    await trip(world, TripState.ACCEPTED);
    return { caller: world.riderA, request: { riderId: world.riderA.userId } };
  }),
  example(
    TripService.method.acceptTrip,
    async (world) => {
      const { tripId } = await trip(world, TripState.MATCHING);
      return { caller: world.driverA, request: { tripId } };
    },
    {
      effects: events("TripAccepted"),
      other: async (world, { request }) => ({ tripId: await earlier(world, request.tripId!) }),
    },
  ),
  example(
    TripService.method.startTrip,
    async (world) => {
      const { tripId, pin } = await trip(world, TripState.DRIVER_ARRIVED);
      return { caller: world.driverA, request: { tripId, pin } };
    },
    {
      effects: events("TripStarted"),
      other: (_world, { request }) => ({ pin: request.pin === "0000" ? "1111" : "0000" }),
    },
  ),
  example(
    TripService.method.completeTrip,
    async (world) => {
      const { tripId } = await trip(world, TripState.STARTED);
      return { caller: world.driverA, request: { tripId } };
    },
    {
      effects: events("TripCompleted"),
      other: async (world, { request }) => ({ tripId: await earlier(world, request.tripId!) }),
    },
  ),
  example(
    TripService.method.updateTripStatus,
    async (world) => {
      const { tripId } = await trip(world, TripState.ACCEPTED);
      return { caller: world.driverA, request: { tripId, action: TripAction.ARRIVING } };
    },
    {
      effects: events("DriverArriving"),
      other: () => ({ action: TripAction.ARRIVED }),
    },
  ),
  example(
    TripService.method.cancelTrip,
    async (world) => {
      const { tripId } = await trip(world, TripState.ACCEPTED);
      return { caller: world.riderA, request: { tripId, reason: "changed my mind" } };
    },
    {
      effects: events("TripCancelled"),
      other: () => ({ reason: "found a bicycle" }),
    },
  ),
  example(
    TripService.method.rateTrip,
    async (world) => {
      const { tripId } = await trip(world, TripState.PAYMENT_PROCESSED);
      const request = { tripId, stars: 5, tags: ["clean_car"], comment: "Thank you!" };
      return { caller: world.riderA, request };
    },
    { effects: ratings, other: () => ({ stars: 4 }) },
  ),
  example(
    TripService.method.rateRider,
    async (world) => {
      const { tripId } = await trip(world, TripState.PAYMENT_PROCESSED);
      const request = { tripId, riderId: world.riderA.userId, stars: 5 };
      return { caller: world.driverA, request };
    },
    { effects: ratings, other: () => ({ stars: 4 }) },
  ),
  example(TripService.method.getReceipt, async (world) => {
    const { tripId } = await trip(world, TripState.PAYMENT_PROCESSED);
    return { caller: world.riderA, request: { tripId } };
  }),
  example(TripService.method.watchTrip, async (world) => {
    const { tripId } = await trip(world, TripState.ACCEPTED);
    return { caller: world.riderA, request: { tripId } };
  }),

  example(
    PaymentService.method.payTrip,
    async (world) => {
      const { rider, tripId } = await debtor(world);
      return { caller: rider, request: { tripId, paymentMethod: PaymentMethodKind.CARD } };
    },
    {
      effects: (world, { request }) =>
        count(world, "SELECT count(*) AS n FROM payment.transfers WHERE trip_id = $1", [
          request.tripId,
        ]),
      other: () => ({ paymentMethod: PaymentMethodKind.WALLET }),
    },
  ),
  example(PaymentService.method.getPayment, async (world) => {
    const { tripId } = await trip(world, TripState.PAYMENT_PROCESSED);
    const { paymentId } = await world.rides.see(world.riderA, tripId);
    return { caller: world.riderA, request: { paymentId } };
  }),
  example(PaymentService.method.listPaymentMethods, ({ riderA }) => ({
    caller: riderA,
    request: {},
  })),
  example(
    PaymentService.method.addCard,
    async ({ people }) => ({
      caller: await people.register(Role.RIDER),
      request: { cardToken: "tok_mastercard" },
    }),
    {
      elsewhere: "own",
      effects: (world, { caller }) =>
        count(world, "SELECT count(*) AS n FROM payment.cards WHERE rider_id = $1", [
          caller!.userId,
        ]),
      other: () => ({ cardToken: "tok_visa" }),
    },
  ),
  example(
    PaymentService.method.topUpWallet,
    ({ riderA, cardId }) => ({
      caller: riderA,
      request: { amount: { amountMinor: 2500n, currencyCode: "USD" }, cardId },
    }),
    {
      elsewhere: { code: Code.INVALID_ARGUMENT, reason: "UNKNOWN_CARD" },
      effects: (world, { caller }) =>
        count(
          world,
          `SELECT count(*) AS n FROM payment.entries e JOIN payment.transfers t USING (transfer_id)
           WHERE t.kind = 'wallet_top_up' AND e.rider_id = $1`,
          [caller!.userId],
        ),
      other: () => ({
        amount: { amountMinor: 9900n, currencyCode: "USD" },
      }),
    },
  ),
  example(PaymentService.method.listTransactions, async (world) => {
    await trip(world, TripState.PAYMENT_PROCESSED);
    return { caller: world.riderA, request: { customerId: world.riderA.userId } };
  }),
];
