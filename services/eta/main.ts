/** The eta service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startEta } from "./app.js";
import { etaConfig } from "./config.js";

await runService("eta", (host, env) => startEta(host, etaConfig(env)));
