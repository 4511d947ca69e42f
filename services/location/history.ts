/**
 * Writes points into the history, many with one statement. Who waits for a point is told when it is
 * committed (group commit): at once when nothing else is being written, and under load together with
 * all that came in the meantime. Points that nobody waits for are written within half a second.
 */
import type { WallClock } from "../runtime/clock.js";
import { startLoop, type Runnable } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import type { Pool } from "../runtime/postgres.js";
import { Code, StatusError } from "../runtime/status.js";
import { dayMs, dayOf } from "./days.js";
import { addPointsDay, insertPoints, type StoredPoint } from "./store.js";

export interface History extends Runnable {
  /** Takes points and resolves when they are committed. */
  write(points: StoredPoint[]): Promise<void>;
  /** Takes points; resolves, at once unless too many wait, when there is room for more. */
  append(points: StoredPoint[]): Promise<void>;
  /** Resolves when all points taken before are committed. */
  flush(): Promise<void>;
  /** RESOURCE_EXHAUSTED when so many points wait to be written that no more are taken. */
  checkRoom(): void;
  /** Points that are not committed yet. */
  pending(): number;
}

/** Points that nobody waits for are written when there are so many… */
const eagerCount = 500;
/** …or when the first has waited so long, in wall milliseconds. */
const lazyMs = 500;
/**
 * The next write begins no sooner than so many wall milliseconds after the last began for each call
 * that waited for that one, up to a limit: nobody who is alone waits, and under load each write takes
 * many points.
 */
const gapMsPerWaiter = 2;
const maxGapMs = 20;
/** No statement takes more points. */
const maxBatch = 2000;
/** Streams wait from so many uncommitted points on. */
const slowDownAt = 5000;
/** Calls are refused from so many on: the database has been away for a while. */
const refuseAt = 50_000;

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

export function startHistory(deps: { pool: Pool; wall: WallClock; log: Logger }): History {
  const { pool, wall } = deps;
  /** Not committed, oldest first; of a batch under way they stay here until it is done. */
  let points: StoredPoint[] = [];
  /** Who waits until the first so many points of all time are committed. */
  let waiters: (Waiter & { until: number })[] = [];
  let committed = 0;
  let urgent = false;
  let firstMs = 0;
  let nextStartMs = 0;
  /** Days that have a partition, counted from the epoch. */
  const days = new Set<number>();

  const loop = startLoop({
    name: "location-history",
    wall,
    log: deps.log,
    work: async (signal) => {
      if (points.length === 0) return lazyMs;
      if (!urgent && points.length < eagerCount) {
        const leftMs = firstMs + lazyMs - wall.monotonicMs();
        if (leftMs > 0) return leftMs;
      }
      const earlyMs = nextStartMs - wall.monotonicMs();
      if (earlyMs > 1) await wall.sleep(earlyMs, signal);
      await commit();
      return 0;
    },
  });

  /** Writes the oldest points. Those that fail stay, to be tried again; who waits for them is told. */
  const commit = async (): Promise<void> => {
    const batch = points.slice(0, maxBatch);
    urgent = points.length > batch.length;
    nextStartMs = wall.monotonicMs() + Math.min(maxGapMs, gapMsPerWaiter * waiters.length);
    try {
      for (const { timeMs } of batch) {
        const day = Math.floor(timeMs / dayMs);
        if (days.has(day)) continue;
        await addPointsDay(pool, dayOf(timeMs));
        days.add(day);
      }
      await insertPoints(pool, batch);
    } catch (error) {
      const failed = waiters;
      waiters = [];
      for (const waiter of failed) waiter.reject(error);
      urgent = true;
      throw error;
    }
    points = points.slice(batch.length);
    firstMs = wall.monotonicMs();
    committed += batch.length;
    const done = waiters.filter(({ until }) => until <= committed);
    if (done.length === 0) return;
    waiters = waiters.filter(({ until }) => until > committed);
    urgent ||= waiters.length > 0;
    for (const waiter of done) waiter.resolve();
  };

  const take = (more: StoredPoint[]): void => {
    if (points.length === 0) firstMs = wall.monotonicMs();
    for (const point of more) points.push(point);
  };

  const flush = (): Promise<void> => {
    if (points.length === 0) return Promise.resolve();
    urgent = true;
    const until = committed + points.length;
    const flushed = new Promise<void>((resolve, reject) =>
      waiters.push({ until, resolve, reject }),
    );
    loop.wake();
    return flushed;
  };

  return {
    write: (more) => {
      if (more.length === 0) return Promise.resolve();
      take(more);
      return flush();
    },
    append: async (more) => {
      const wasFew = points.length < eagerCount;
      take(more);
      if (points.length >= slowDownAt) return flush();
      if (wasFew && points.length >= eagerCount) loop.wake();
    },
    flush,
    checkRoom: () => {
      if (points.length < refuseAt) return;
      throw new StatusError(Code.RESOURCE_EXHAUSTED, {
        reason: "OVERLOADED",
        domain: "ridemesh",
        message: "positions arrive faster than they can be kept",
        retryAfterMs: 1000,
      });
    },
    pending: () => points.length,
    stop: async () => {
      await loop.stop();
      while (points.length > 0) await commit();
    },
  };
}
