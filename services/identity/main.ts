/** The identity service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startIdentity } from "./app.js";
import { identityConfig } from "./config.js";

await runService("identity", (host, env) => startIdentity(host, identityConfig(env)));
