/** What is said about trips, and to whom: pure functions from events, in English. */
import type { Money } from "../../gen/grpc/ridemesh/type/v1/money.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type * as trips from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";

/** A message before it is written down. */
export interface Draft {
  userId: string;
  /** "trip_accepted"; apps choose icon and sound by it. */
  kind: string;
  title: string;
  body: string;
}

type Words = Omit<Draft, "userId">;

export function tripAccepted({ riderId }: trips.TripAccepted): Draft[] {
  return tell(riderId, {
    kind: "trip_accepted",
    title: "Driver found",
    body: "A driver has accepted your trip.",
  });
}

export function driverArriving({ riderId }: trips.DriverArriving): Draft[] {
  return tell(riderId, {
    kind: "driver_arriving",
    title: "Your driver is on the way",
    body: "Your driver has set off to the pickup.",
  });
}

export function driverArrived({ riderId }: trips.DriverArrived): Draft[] {
  return tell(riderId, {
    kind: "driver_arrived",
    title: "Your driver is here",
    body: "Your driver is waiting at the pickup. Have your PIN ready.",
  });
}

export function tripDriverCancelled({ riderId }: trips.TripDriverCancelled): Draft[] {
  return tell(riderId, {
    kind: "driver_cancelled",
    title: "Looking for another driver",
    body: "Your driver could not come. We are looking for another one; this costs you nothing.",
  });
}

export function tripStarted({ riderId }: trips.TripStarted): Draft[] {
  return tell(riderId, {
    kind: "trip_started",
    title: "Your ride has started",
    body: "Have a good ride.",
  });
}

export function tripCompleted({ riderId, driverId }: trips.TripCompleted): Draft[] {
  const kind = "trip_completed";
  return [
    ...tell(riderId, { kind, title: "You have arrived", body: "How was your driver?" }),
    ...tell(driverId, { kind, title: "Ride completed", body: "How was your rider?" }),
  ];
}

/** Who cancelled knows that he did; the rider is told anyway, because he may have to pay for it. */
export function tripCancelled(event: trips.TripCancelled): Draft[] {
  const { riderId, driverId, party, fee, noShow } = event;
  const kind = "trip_cancelled";
  const costs =
    fee && fee.amountMinor > 0n ? `A fee of ${formatMoney(fee)} applies.` : "It costs you nothing.";
  const what = noShow ? "Your driver waited at the pickup and nobody came." : byWhom(party, "you");
  return [
    ...tell(riderId, { kind, title: "Trip cancelled", body: `${what} ${costs}` }),
    ...(party === Party.DRIVER
      ? []
      : tell(driverId, { kind, title: "Trip cancelled", body: byWhom(party, "the rider") })),
  ];
}

function byWhom(party: Party, rider: string): string {
  switch (party) {
    case Party.RIDER:
      return `The trip was cancelled by ${rider}.`;
    case Party.DRIVER:
      return "The trip was cancelled by the driver.";
    case Party.STAFF:
      return "The trip was cancelled by support.";
    case Party.SYSTEM:
    case Party.UNSPECIFIED:
      return "The trip was cancelled.";
    default:
      return party satisfies never;
  }
}

export function tripExpired({ riderId, reason }: trips.TripExpired): Draft[] {
  const why =
    reason === "no_drivers_nearby"
      ? "There is no free driver near the pickup."
      : "No driver could take your trip.";
  return tell(riderId, {
    kind: "trip_expired",
    title: "No driver found",
    body: `${why} You can ask again at any time.`,
  });
}

/** A receipt to the rider; to the driver, what it brought him. */
export function paymentProcessed(event: trips.PaymentProcessed): Draft[] {
  const { riderId, driverId, total, driverShare } = event;
  const drafts: Draft[] = [];
  if (total) {
    const amount = formatMoney(total);
    const words = { kind: "receipt", title: `Receipt: ${amount}`, body: `You paid ${amount}.` };
    drafts.push(...tell(riderId, words));
  }
  if (driverShare && driverShare.amountMinor > 0n) {
    const amount = formatMoney(driverShare);
    const title = `You earned ${amount}`;
    const body = `Your share of the trip is ${amount}.`;
    drafts.push(...tell(driverId, { kind: "earnings", title, body }));
  }
  return drafts;
}

export function paymentFailed({ riderId, total }: trips.PaymentFailed): Draft[] {
  const amount = total ? formatMoney(total) : "Your trip";
  return tell(riderId, {
    kind: "payment_failed",
    title: "Payment failed",
    body: `${amount} could not be charged. Please pay it before your next trip.`,
  });
}

/** "$12.34": as English writes the currency, with as many decimals as it has. */
export function formatMoney({ amountMinor, currencyCode }: Money): string {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: currencyCode });
  const decimals = format.resolvedOptions().maximumFractionDigits ?? 0;
  const digits = String(amountMinor < 0n ? -amountMinor : amountMinor).padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = decimals > 0 ? `.${digits.slice(-decimals)}` : "";
  // As text, because a number cannot hold every amount.
  const text = `${amountMinor < 0n ? "-" : ""}${whole}${fraction}`;
  return format.format(text as Intl.StringNumericLiteral);
}

/** Nobody is told when the party is not there. */
function tell(userId: string, words: Words): Draft[] {
  return userId ? [{ userId, ...words }] : [];
}
