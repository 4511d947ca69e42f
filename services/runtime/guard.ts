/** Circuit breaker, bulkhead and retry around the calls to one service. */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  ConsecutiveBreaker,
  bulkhead,
  circuitBreaker,
  handleWhen,
  wrap,
} from "cockatiel";
import type { WallClock } from "./clock.js";
import type { Logger } from "./log.js";
import { Code, StatusError, unavailable } from "./status.js";

/** Runs a call within the breaker and the bulkhead of its service. */
export type Guard = <T>(call: () => Promise<T>) => Promise<T>;

export interface GuardSettings {
  /** At most this many calls to one service at a time, and as many again waiting. */
  maxConcurrent: number;
  /** An open circuit lets a call through after this long, to see. */
  openMs: number;
}

const defaults: GuardSettings = { maxConcurrent: 200, openMs: 30_000 };
/** A call is tried this often in all. */
const maxAttempts = 3;
/** So many failures in a row open the circuit: five calls, each with its retries. */
const failuresToOpen = 5 * maxAttempts;

/** A guard for the calls to one service. */
export function createGuard(
  service: string,
  log: Logger,
  settings: Partial<GuardSettings> = {},
): Guard {
  const { maxConcurrent, openMs } = { ...defaults, ...settings };
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof StatusError && error.code === Code.UNAVAILABLE),
    { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(failuresToOpen) },
  );
  breaker.onBreak(() => log.warn({ target: service }, "circuit opened"));
  breaker.onReset(() => log.info({ target: service }, "circuit closed"));
  const policy = wrap(bulkhead(maxConcurrent, maxConcurrent), breaker);
  return async (call) => {
    try {
      return await policy.execute(call);
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw unavailable(`${service} is not answering`);
      if (error instanceof BulkheadRejectedError) {
        throw new StatusError(Code.RESOURCE_EXHAUSTED, {
          reason: "OVERLOADED",
          domain: "ridemesh",
          message: `too many calls to ${service} are under way`,
          retryAfterMs: 1000,
        });
      }
      throw error;
    }
  };
}

/**
 * Tries a call again while its service is UNAVAILABLE, with full jitter, as long as the deadline
 * allows. Only for calls that may be repeated.
 */
export async function retrying<T>(
  call: () => Promise<T>,
  options: { wall: WallClock; deadlineMs: number; signal?: AbortSignal | undefined },
): Promise<T> {
  const { wall, deadlineMs, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const again =
        attempt < maxAttempts &&
        error instanceof StatusError &&
        error.code === Code.UNAVAILABLE &&
        !signal?.aborted;
      // Jitter, so that those who failed together do not come back together.
      const waitMs = Math.random() * 50 * 2 ** attempt;
      if (!again || wall.now().getTime() + waitMs >= deadlineMs) throw error;
      await wall.sleep(waitMs, signal);
    }
  }
}
