/** The trip service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startTrip } from "./app.js";

await runService("trip", (host) => startTrip(host));
