/** Which operator (tenant) an anonymous call is about; asked from the city service, kept for a while. */
import { LRUCache } from "lru-cache";
import type { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { Client } from "../runtime/client.js";
import type { WallClock } from "../runtime/clock.js";
import { StatusError, isTransient, unavailable } from "../runtime/status.js";

export interface Operators {
  /** The tenant that the call names, else that of its host. INVALID_ARGUMENT when there is none. */
  tenantOf(operator: string, ctx: CallContext): Promise<string>;
}

/** An answer counts for so long; while the city service is away, for as long as it is. */
const freshMs = 30_000;

/** Asks through this client of the city service. */
export function createOperators(deps: {
  city: Pick<Client<CityInternalServiceService>, "resolveOperator">;
  wall: WallClock;
}): Operators {
  const { city, wall } = deps;
  const answers = new LRUCache<string, { tenantId: string; askedMs: number }>({ max: 1000 });
  return {
    tenantOf: async (operator, ctx) => {
      const key = operator ? `operator ${operator}` : `host ${ctx.host}`;
      const answer = answers.get(key);
      if (answer && wall.monotonicMs() - answer.askedMs < freshMs) return answer.tenantId;
      try {
        const { tenantId } = await city.resolveOperator({ operator, host: ctx.host }, ctx);
        answers.set(key, { tenantId, askedMs: wall.monotonicMs() });
        return tenantId;
      } catch (error) {
        if (!(error instanceof StatusError) || !isTransient(error.code)) throw error;
        if (answer) return answer.tenantId;
        throw error.reason ? error : unavailable("the city service is not answering");
      }
    },
  };
}
