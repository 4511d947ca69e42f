/** The location service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startLocation } from "./app.js";
import { locationConfig } from "./config.js";

await runService("location", (host, env) => startLocation(host, locationConfig(env)));
