/** Compares our fares with those of taxi meters. */
import { FareLineKind, type FareLine } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";

/**
 * Parts of a fare that the taxi records keep apart from what the meter showed: night and peak extras,
 * taxes, surcharges. Surge did not exist there; a cancelled ride has no metered fare.
 */
const APART: ReadonlySet<FareLineKind> = new Set([
  FareLineKind.SURGE,
  FareLineKind.TAX,
  FareLineKind.NIGHT,
  FareLineKind.PEAK,
  FareLineKind.ZONE,
  FareLineKind.BOOKING,
  FareLineKind.CANCELLATION,
]);

/** What of a fare compares to the meter: start, distance, time, waiting, minimum, fixed fares. */
export function meteredPartMinor(lines: readonly Pick<FareLine, "kind" | "amountMinor">[]): bigint {
  return lines
    .filter(({ kind }) => !APART.has(kind))
    .reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
}
