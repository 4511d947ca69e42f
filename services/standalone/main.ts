/** `npm start` */
import { constants } from "node:os";
import { wallClock } from "../runtime/clock.js";
import { parseOptions } from "./options.js";
import { StartError } from "./start-error.js";

const statusEveryMs = 30_000;
/** Whatever hangs must not keep a person waiting; PostgreSQL survives a kill. */
const stopWithinMs = 4500;
/** npm passes on the Ctrl-C that the terminal has sent to us already: one key is two signals. */
const echoMs = 500;

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
  // Who no longer reads what we print, as in `npm start | head`, has not asked us to stop.
  process.stdout.on("error", () => undefined);
  const say = (text: string): void => {
    if (!options.quiet) console.log(text);
  };

  const interrupted = new AbortController();
  // Only now, so that a mistyped option is answered without delay.
  const starting = import("./start.js").then(({ start }) => start(options, interrupted.signal));
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    stopping = true;
    say("\nStopping…");
    void wallClock.sleep(stopWithinMs).then(() => {
      console.error("ridemesh: not everything stopped in time, and was ended");
      process.exit(1);
    });
    interrupted.abort();
    const started = await starting.catch(() => undefined);
    await started?.stop();
    process.exit(code);
  };

  let interruptedMs = Number.NEGATIVE_INFINITY;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      const nowMs = wallClock.monotonicMs();
      if (nowMs - interruptedMs < echoMs) return;
      if (stopping) process.exit(128 + constants.signals[signal]);
      interruptedMs = nowMs;
      void stop(0).catch(fail);
    });
  }

  const started = await starting.catch((error: unknown) => {
    if (!stopping) throw error;
  });
  if (!started || stopping) return;
  say(started.banner);
  void started.failed.then((reason) => {
    if (stopping) return;
    console.error(`ridemesh: ${reason}`);
    // What cannot be stopped in good order any more is no news.
    void stop(1).catch(() => process.exit(1));
  });
  if (options.quiet) return;
  for (;;) {
    await wallClock.sleep(statusEveryMs);
    if (stopping) return;
    say(started.status());
  }
}

await run().catch(fail);
