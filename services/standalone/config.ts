/** What `npm start` takes from the environment, beside its options. */
import { gatewayConfig, type GatewayConfig } from "../../gateway/config.js";
import { etaConfig } from "../eta/config.js";
import { locationConfig } from "../location/config.js";
import { paymentConfig } from "../payment/config.js";
import { pricingConfig } from "../pricing/config.js";
import { ConfigError, environment, logLevelOf, type Environment } from "../runtime/config.js";
import type { ServiceSettings } from "./platform.js";
import { StartError } from "./start-error.js";

export interface StandaloneConfig {
  logLevel: string;
  gateway: Pick<GatewayConfig, "host" | "tls" | "limits" | "corsOrigins" | "trustedProxies">;
  settings: ServiceSettings;
}

/**
 * LOG_LEVEL (info); what the gateway reads (only its port is an option); and what eta, location,
 * pricing and payment read.
 *
 * @throws StartError that names the variable which cannot be used.
 */
export function standaloneConfig(env: Environment = environment()): StandaloneConfig {
  try {
    const { tls, limits, corsOrigins, trustedProxies } = gatewayConfig(env);
    // A machine of one's own is not open to its network unless somebody says so.
    const host = env["RIDEMESH_HOST"] || "127.0.0.1";
    return {
      logLevel: logLevelOf(env),
      gateway: { host, tls, limits, corsOrigins, trustedProxies },
      settings: {
        eta: etaConfig(env),
        location: locationConfig(env),
        pricing: pricingConfig(env),
        payment: paymentConfig(env),
      },
    };
  } catch (error) {
    const known = error instanceof ConfigError ? error.problems.join("; ") : undefined;
    throw new StartError(known ?? (error as Error).message, { cause: error });
  }
}
