/** Wires the payment service. */
import { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import { PaymentServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_service.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { watchCities } from "../runtime/watch.js";
import { defaultPaymentConfig, type PaymentConfig } from "./config.js";
import type { Gateway } from "./gateway.js";
import { paymentInternalService } from "./internal-service.js";
import { knownAccounts } from "./ledger-store.js";
import { startClosing } from "./left-over.js";
import { createPaymentMetrics } from "./metrics.js";
import { paymentOwners } from "./owners.js";
import { createSandbox } from "./sandbox.js";
import { paymentService } from "./service.js";

/**
 * Starts the payment service. `through` puts something between the service and its card gateway: for
 * tests of what happens when the two lose each other.
 */
export function startPayment(
  host: Host,
  config: PaymentConfig = defaultPaymentConfig,
  through: (gateway: Gateway) => Gateway = (gateway) => gateway,
): Promise<RunningService> {
  return startService(host, {
    name: "payment",
    migrations: new URL("./migrations/", import.meta.url),
    build: ({ pool, wall, domain, secrets, metrics, log, channel, wakeRelay }) => {
      const cities = watchCities(channel("city"), { wall, log });
      const sandbox = createSandbox({ pool, wall, timeoutMs: config.sandboxTimeoutMs });
      const deps = {
        pool,
        wall,
        domain,
        gateway: through(sandbox),
        secrets,
        accounts: knownAccounts(),
        metrics: createPaymentMetrics(metrics),
        config,
        log,
        wakeRelay,
        cities,
      };
      return {
        services: [
          serve(PaymentServiceService, paymentService(deps)),
          serve(PaymentInternalServiceService, paymentInternalService(deps)),
        ],
        owners: paymentOwners(pool),
        background: [cities, startClosing(deps)],
      };
    },
  });
}
