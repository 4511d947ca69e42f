/** Handlers of PaymentInternalService. */
import type { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField } from "../runtime/status.js";
import type { AttemptDeps } from "./attempts.js";
import { chargeTrip } from "./charge.js";
import { viewOf } from "./payment.js";

/** Payments for the settlement of trips. */
export function paymentInternalService(deps: AttemptDeps): Handlers<PaymentInternalServiceService> {
  return {
    chargeTrip: async (request, ctx) => {
      const { tenantId, onBehalfOf: riderId, tripId, driverId, purpose, taxMinor } = request;
      const { kind: method, cardId } = request.paymentMethod!;
      const { amountMinor: totalMinor, currencyCode } = request.total!;
      if (totalMinor < 0n) throw invalidField("total.amount_minor", "must not be negative");
      if (taxMinor > totalMinor) throw invalidField("tax_minor", "must not exceed the total");
      if (!method) throw invalidField("payment_method.kind", "is required");
      const way = { method, cardId };
      const due = {
        tenantId,
        tripId,
        riderId,
        driverId,
        purpose,
        way,
        totalMinor,
        taxMinor,
        currencyCode,
      };
      const { traceparent, deadlineMs, signal } = ctx;
      const payment = await chargeTrip(deps, due, { traceparent, deadlineMs, signal });
      return { payment: viewOf(payment) };
    },
  };
}
