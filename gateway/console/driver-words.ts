/** A driver in words, for the list and the card. Pure. */
import type { DriverReport } from "./fleet.js";

/** The part of an id by which a person tells them apart; whole ids are in titles. */
export function shortId(id: string): string {
  // Ids that are ordered by time begin alike; their ends differ.
  return id.length > 12 ? id.slice(-8) : id;
}

export function stateWord({ busy }: Pick<DriverReport, "busy">): string {
  return busy ? "On a trip" : "Free";
}

/** "40.75801° N, 73.98550° W": five digits are about a meter. */
export function positionText({ point }: Pick<DriverReport, "point">): string {
  const part = (degrees: number, positive: string, negative: string) =>
    `${Math.abs(degrees).toFixed(5)}° ${degrees < 0 ? negative : positive}`;
  return `${part(point.lat, "N", "S")}, ${part(point.lng, "E", "W")}`;
}

/** Which drivers are listed. */
export type ListFilter = "all" | "free" | "busy";

/** The drivers to list: busy ones first, then by id, so that rows keep their places. */
export function listed<D extends DriverReport>(drivers: Iterable<D>, filter: ListFilter): D[] {
  return [...drivers]
    .filter(({ busy }) => filter === "all" || busy === (filter === "busy"))
    .sort(
      (a, b) =>
        Number(b.busy) - Number(a.busy) ||
        (a.driverId < b.driverId ? -1 : a.driverId > b.driverId ? 1 : 0),
    );
}
