/** Waits for a condition, which a test does instead of sleeping. */
import { inspect } from "node:util";

type Falsy = undefined | null | false;

const pollMs = 5;

/**
 * Polls `probe` every 5 ms until it gives something other than undefined, null or false, and returns
 * that. An error of the probe counts as "not yet".
 *
 * @throws after `timeoutMs`, saying `what` was awaited and the probe's last answer or error.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Falsy | Promise<T | Falsy>,
  timeoutMs = 10_000,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    let last: string;
    let cause: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value;
      last = `last value ${inspect(value)}`;
    } catch (error) {
      cause = error;
      last = `last error ${error instanceof Error ? error.message : inspect(error)}`;
    }
    if (performance.now() - start >= timeoutMs) {
      throw new Error(`waited ${timeoutMs} ms for ${what}: ${last}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
