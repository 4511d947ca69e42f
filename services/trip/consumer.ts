/** Events that change trips: a debt that was paid later. */
import { ChargeSucceeded } from "../../gen/grpc/ridemesh/payment/v1/payment_events.js";
import { on, type EventHandler } from "../runtime/consumer.js";
import { Code, StatusError } from "../runtime/status.js";
import { execute, type CommandDeps } from "./commands.js";

/** The handlers. The command itself is idempotent: paid stays paid. */
export function tripConsumer(deps: CommandDeps): EventHandler[] {
  return [
    on(ChargeSucceeded, async (event, meta) => {
      const command = {
        kind: "paid",
        paymentId: event.paymentId,
        total: event.total!,
        driverShare: event.driverShare!,
      } as const;
      await execute(deps, meta.tenantId, event.tripId, command, {
        traceparent: meta.traceparent,
      }).catch((error: unknown) => {
        // The saga is between charge and paid: it will carry the same command out itself.
        if (error instanceof StatusError && error.code === Code.FAILED_PRECONDITION) return;
        throw error;
      });
    }),
  ];
}
