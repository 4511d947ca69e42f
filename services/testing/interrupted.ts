/** Test runs that are ended by a signal: mocha then runs no hooks, and what they would stop lives on. */
import { constants } from "node:os";

/**
 * Cleans up at the first signal that asks this process to end, and ends it then; those that follow,
 * as from mocha, which sends two for one Ctrl-C, make no difference.
 */
export function whenInterrupted(cleanUp: () => Promise<void>): void {
  let ending = false;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      const end = () => process.exit(128 + constants.signals[signal]);
      cleanUp().then(end, end);
    });
  }
}
