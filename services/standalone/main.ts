/** `npm start` */
import { wallClock } from "../runtime/clock.js";
import { parseOptions } from "./options.js";
import { start, type Started } from "./start.js";
import { StartError } from "./start-error.js";

const statusEveryMs = 30_000;
const stopWithinMs = 5000;

/** Ends with one line for what a person can mend, and a stack only for what nobody foresaw. */
function fail(error: unknown): never {
  const known = error instanceof StartError;
  console.error(known ? `ridemesh: ${error.message}` : error);
  process.exit(known ? error.exitCode : 70);
}

async function run(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if ("help" in options) {
    console.log(options.help);
    return;
  }
  let started: Started | undefined;
  let stopping = false;
  const stop = (code: number) => {
    if (stopping) process.exit(1);
    stopping = true;
    if (!options.quiet) console.log("\nStopping…");
    // Whatever hangs must not keep a person waiting; Postgres survives a kill.
    void wallClock.sleep(stopWithinMs - 200).then(() => process.exit(1));
    (started ? started.stop() : Promise.resolve()).then(() => process.exit(code), fail);
  };
  process.on("SIGINT", () => stop(0));
  process.on("SIGTERM", () => stop(0));
  process.on("SIGHUP", () => stop(0));
  started = await start(options);
  if (stopping) return;
  if (!options.quiet) console.log(started.banner);
  void started.failed.then((reason) => {
    if (stopping) return;
    console.error(`ridemesh: ${reason}`);
    stop(1);
  });
  while (!options.quiet && !stopping) {
    await wallClock.sleep(statusEveryMs);
    if (!stopping) console.log(await started.status());
  }
}

await run().catch(fail);
