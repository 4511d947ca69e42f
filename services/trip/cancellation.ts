/** What a rider pays for cancelling. */
import type { TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { secondsBetween } from "../runtime/clock.js";

/**
 * The fee in minor units: nothing before acceptance and in the free time after it, then the fee, and
 * the higher one when it is late. The figures are those of the terms that the trip was booked on.
 */
export function cancellationFee(terms: TripTerms, acceptTime: Date | undefined, now: Date): bigint {
  if (!acceptTime) return 0n;
  const seconds = secondsBetween(acceptTime, now);
  if (seconds < terms.freeCancelSeconds) return 0n;
  return seconds < terms.lateCancelSeconds ? terms.cancelFeeMinor : terms.lateCancelFeeMinor;
}
