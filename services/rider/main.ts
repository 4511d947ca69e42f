/** The rider service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startRider } from "./app.js";

await runService("rider", (host) => startRider(host));
