/** The pricing service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startPricing } from "./app.js";
import { pricingConfig } from "./config.js";

await runService("pricing", (host, env) => startPricing(host, pricingConfig(env)));
