/**
 * Rate limits at the edge: per user where there is a token, else per address; a method with a limit of
 * its own is counted by itself. Counted in a window of a minute, with a burst on top.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { BurstyRateLimiter, RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { policyOf, rpcName } from "../services/runtime/contract.js";
import { Code, StatusError } from "../services/runtime/status.js";

export interface LimitConfig {
  /** Calls a minute of one user, or of one address without a token; 0 switches all limits off. */
  perMinute: number;
  /** Calls beyond that which are let through now and then, a minute. */
  burst: number;
}

/** How a call stands against its limit. */
export interface LimitState {
  limit: number;
  remaining: number;
  resetSeconds: number;
}

export interface Limits {
  /** Counts a call; throws RESOURCE_EXHAUSTED with RetryInfo when it is one too many. */
  count(method: DescMethod, who: string): Promise<LimitState | undefined>;
}

const windowSeconds = 60;

/** Limits held in this process. */
export function createLimits(config: LimitConfig): Limits {
  const limiters = new Map<string, { limiter: BurstyRateLimiter; points: number }>();

  const limiterOf = (method: DescMethod) => {
    const own = policyOf(method).requestsPerMinute;
    const key = own > 0 ? rpcName(method) : "";
    let entry = limiters.get(key);
    if (!entry) {
      const points = own > 0 ? own : config.perMinute;
      const limiter = new BurstyRateLimiter(
        new RateLimiterMemory({ points, duration: windowSeconds }),
        new RateLimiterMemory({
          points: config.burst,
          duration: windowSeconds,
          keyPrefix: "burst",
        }),
      );
      entry = { limiter, points };
      limiters.set(key, entry);
    }
    return entry;
  };

  return {
    count: async (method, who) => {
      if (config.perMinute === 0) return undefined;
      const { limiter, points } = limiterOf(method);
      try {
        return stateOf(await limiter.consume(who), points);
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        throw new StatusError(Code.RESOURCE_EXHAUSTED, {
          reason: "RATE_LIMITED",
          domain: "ridemesh",
          message: `more than ${points} calls a minute`,
          metadata: { limit: String(points) },
          retryAfterMs: refused.msBeforeNext,
        });
      }
    },
  };
}

function stateOf(result: RateLimiterRes, limit: number): LimitState {
  return {
    limit,
    remaining: Math.max(0, result.remainingPoints),
    resetSeconds: Math.ceil(result.msBeforeNext / 1000),
  };
}

/** The headers of an error that says when to come again; of a limit's, also how the caller stands. */
export function refusalHeaders(error: StatusError): Record<string, string> {
  if (error.retryAfterMs === undefined) return {};
  const resetSeconds = Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  const retryAfter = { "retry-after": String(resetSeconds) };
  if (error.reason !== "RATE_LIMITED") return retryAfter;
  const limit = Number(error.metadata["limit"]);
  return { ...retryAfter, ...limitHeaders({ limit, remaining: 0, resetSeconds }) };
}

/** The headers that tell a caller how it stands. */
export function limitHeaders(state: LimitState): Record<string, string> {
  const { limit, remaining, resetSeconds } = state;
  return {
    "ratelimit-limit": String(limit),
    "ratelimit-remaining": String(remaining),
    "ratelimit-reset": String(resetSeconds),
    "x-ratelimit-limit": String(limit),
    "x-ratelimit-remaining": String(remaining),
    "x-ratelimit-reset": String(resetSeconds),
  };
}
