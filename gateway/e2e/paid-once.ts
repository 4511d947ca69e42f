/** Checks that a ride was paid once, wherever that leaves a trace. */
import { expect } from "chai";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { NotificationService } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { PaymentMethodKind, TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { chargesOfTrip, movesOfTrip } from "./ledger.js";
import type { People, Person } from "./people.js";
import type { TestPlatform } from "./platform.js";
import type { Ride, Rides } from "./rides.js";

const { CASH, WALLET, CARD } = PaymentMethodKind;

/** A ride with what it is paid by: the first of its driver and its rider. */
export interface PaidRide extends Ride {
  payment: PaymentMethodKind;
}

interface Asked extends Pick<TestPlatform, "sql"> {
  people: People;
  rides: Rides;
}

/** What a rider who pays from his wallet has in it before his ride, in cents. */
export const walletMinor = 10_000n;

/** Waits until the ride is paid, then looks at trip, ledger, wallet, card gateway, earnings, messages. */
export async function isPaidOnce(platform: Asked, ride: PaidRide): Promise<void> {
  const { call } = platform.people;
  const { rider, driver, tripId, payment: way } = ride;
  const trip = await platform.rides.reached(rider, tripId, TripState.PAYMENT_PROCESSED);

  expect(await timesOfEvent(platform, tripId)).to.deep.equal({
    FareCalculated: 1,
    PaymentProcessed: 1,
  });
  expect(await chargesOfTrip(platform, tripId)).to.equal(1);
  expect(await cardCharges(platform, tripId)).to.equal(way === CARD ? 1 : 0);
  const total = trip.finalFare!.total!.amountMinor;
  const { paymentId } = trip;
  const { payment } = await call(PaymentService.method.getPayment, rider, { paymentId });
  const share = payment!.driverShare!.amountMinor;
  expect(await movesOfTrip(platform, tripId)).to.deep.equal({
    platform: payment!.commission!.amountMinor,
    tax: payment!.tax!.amountMinor,
    ...(way === CASH
      ? { cash_clearing: 0n, driver: share - total }
      : { [way === CARD ? "gateway_clearing" : "rider_wallet"]: -total, driver: share }),
  });

  const { wallet } = await call(PaymentService.method.listPaymentMethods, rider, {});
  const left = wallet.map(({ amountMinor }) => amountMinor);
  expect(left).to.deep.equal(way === WALLET ? [walletMinor - total] : []);
  const getEarnings = async () => {
    const request = { driverId: driver.userId };
    return (await call(DriverService.method.getEarnings, driver, request)).earnings!;
  };
  await waitFor("the earnings", async () => (await getEarnings()).tripCount > 0);
  await waitFor(
    "the messages",
    async () =>
      (await timesTold(platform, rider, "receipt")) > 0 &&
      (await timesTold(platform, driver, "earnings")) > 0,
  );
  const { tripCount, total: earned } = await getEarnings();
  expect([tripCount, earned!.amountMinor]).to.deep.equal([1, share]);
  expect(await timesTold(platform, rider, "receipt")).to.equal(1);
  expect(await timesTold(platform, driver, "earnings")).to.equal(1);
}

/** How often the embedded card gateway was charged for a trip. */
export async function cardCharges(platform: Pick<Asked, "sql">, tripId: string): Promise<number> {
  const rows = await platform.sql(
    "SELECT 1 FROM payment.sandbox_charges WHERE idempotency_key LIKE $1",
    [`trip/metro/${tripId}/%`],
  );
  return rows.length;
}

/** How often each event of its settlement happened to a trip. */
async function timesOfEvent(platform: Asked, tripId: string): Promise<Record<string, number>> {
  const rows = await platform.sql<{ name: string; times: number }>(
    `SELECT substring(type FROM '[^.]+$') AS name, count(*)::int AS times FROM trip.trip_events
     WHERE trip_id = $1 AND type ~ '(FareCalculated|Payment[A-Za-z]+)$' GROUP BY type`,
    [tripId],
  );
  return Object.fromEntries(rows.map(({ name, times }) => [name, times]));
}

/** How many messages of a kind a person has got. */
async function timesTold({ people }: Asked, person: Person, kind: string): Promise<number> {
  const list = NotificationService.method.listNotifications;
  const { notifications } = await people.call(list, person, {});
  return notifications.filter((one) => one.kind === kind).length;
}
