/** The payment service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startPayment } from "./app.js";
import { paymentConfig } from "./config.js";

await runService("payment", (host, env) => startPayment(host, paymentConfig(env)));
