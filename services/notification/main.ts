/** The notification service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startNotification } from "./app.js";

await runService("notification", (host) => startNotification(host));
