/** The city service as a process of its own. */
import { runService } from "../runtime/main.js";
import { startCity } from "./app.js";
import { cityConfig } from "./config.js";

await runService("city", (host, env) => startCity(host, cityConfig(env)));
