/** The driver service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startDriver } from "./app.js";

await runService("driver", (host) => startDriver(host));
