/** What the payment service counts. */
import type { Metrics } from "../runtime/metrics.js";
import type { Payment } from "./payment.js";

export interface PaymentMetrics {
  /** An attempt to pay for a trip has come to its end. */
  paid(outcome: "succeeded" | "failed", payment: Payment): void;
}

/** Counts payments by outcome, and what succeeded ones brought. */
export function createPaymentMetrics(metrics: Metrics): PaymentMetrics {
  const payments = metrics.counter("payments_total", "Attempts to pay for trips, by outcome.", [
    "outcome",
  ]);
  const revenue = metrics.counter(
    "revenue_minor_total",
    "Paid totals of trips, in minor units of the currency.",
    ["currency"],
  );
  return {
    paid: (outcome, { totalMinor, currencyCode }) => {
      payments.inc({ outcome });
      if (outcome === "succeeded") revenue.inc({ currency: currencyCode }, Number(totalMinor));
    },
  };
}
