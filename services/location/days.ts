/** The days of the history: made before they are needed, dropped when they are too old. */
import type { DomainClock, WallClock } from "../runtime/clock.js";
import { startLoop, type Runnable } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import type { Pool } from "../runtime/postgres.js";
import { addPointsDay, dropPointsBefore, forgetTrips } from "./store.js";

export const dayMs = 86_400_000;
/** Ended trips are remembered for longer than the bus keeps their events. */
const tripDays = 8;

/** The day (UTC) of a moment in milliseconds since the epoch: "2019-03-05". */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** Keeps today's and tomorrow's partition ready, and forgets what is older than it may be. */
export async function startDays(deps: {
  pool: Pool;
  domain: DomainClock;
  wall: WallClock;
  log: Logger;
  retentionDays: number;
}): Promise<Runnable> {
  const { pool, domain, wall, log } = deps;
  const makeRoom = async (nowMs: number) => {
    await addPointsDay(pool, dayOf(nowMs));
    await addPointsDay(pool, dayOf(nowMs + dayMs));
  };
  await makeRoom(domain.now().getTime());
  return startLoop({
    name: "location-days",
    wall,
    log,
    work: async () => {
      const nowMs = domain.now().getTime();
      await makeRoom(nowMs);
      const dropped = await dropPointsBefore(pool, dayOf(nowMs - deps.retentionDays * dayMs));
      if (dropped > 0) log.info({ days: dropped }, "old positions dropped");
      await forgetTrips(pool, new Date(nowMs - tripDays * dayMs));
      const midnight = new Date((Math.floor(nowMs / dayMs) + 1) * dayMs);
      return Math.min(3_600_000, Math.max(1000, domain.wallMsUntil(midnight)));
    },
  });
}
