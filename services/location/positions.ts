/** Keeps drivers' last positions in their rows, a second behind, many with one statement. */
import type { DomainClock, WallClock } from "../runtime/clock.js";
import { startLoop, type Runnable } from "../runtime/lifecycle.js";
import type { Logger } from "../runtime/log.js";
import type { Pool } from "../runtime/postgres.js";
import { inactiveAfterMs, type Presence } from "./presence.js";
import { savePositions } from "./store.js";

/** Positions are saved so often, in wall milliseconds. */
const saveMs = 1000;
/** Silent drivers are looked for at each so manyth save; a search leaves them out anyway. */
const forgetEvery = 30;
/** No statement takes more. */
const maxBatch = 2000;

/** Saves what moved, and takes drivers who went silent out of the index. The last save is at the stop. */
export function startPositions(deps: {
  pool: Pool;
  presence: Presence;
  domain: DomainClock;
  wall: WallClock;
  log: Logger;
}): Runnable {
  const { pool, presence, domain } = deps;
  const save = async (): Promise<void> => {
    const moved = presence.takeMoved();
    for (let i = 0; i < moved.length; i += maxBatch) {
      try {
        await savePositions(pool, moved.slice(i, i + maxBatch));
      } catch (error) {
        presence.keepMoved(moved.slice(i));
        throw error;
      }
    }
  };
  let saves = 0;
  const loop = startLoop({
    name: "location-positions",
    wall: deps.wall,
    log: deps.log,
    work: async () => {
      if (saves % forgetEvery === 0) {
        presence.forgetInactive(domain.now().getTime() - inactiveAfterMs);
      }
      saves += 1;
      await save();
      return saveMs;
    },
  });
  return {
    stop: async () => {
      await loop.stop();
      await save();
    },
  };
}
