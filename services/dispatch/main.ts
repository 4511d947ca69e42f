/** The dispatch service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startDispatch } from "./app.js";

await runService("dispatch", (host) => startDispatch(host));
