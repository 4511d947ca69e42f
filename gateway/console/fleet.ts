/** The drivers on the map, as the stream tells of them. */
import { isMoving, moveTrack, startTrack, type Track } from "./motion.js";
import { project, type LatLng } from "./projection.js";

/** What the stream tells of a driver. */
export interface DriverReport {
  driverId: string;
  point: LatLng;
  busy: boolean;
  tripId: string;
  headingDegrees: number;
}

/** A driver on the map. */
export interface Driver extends DriverReport {
  track: Track;
  /** When the mark appeared. */
  appearMs: number;
  /** When the last report came. */
  reportMs: number;
}

/** A driver's mark that is going away. */
export interface Leaving {
  driver: Driver;
  leaveMs: number;
}

export interface Counts {
  free: number;
  busy: number;
}

export interface Fleet {
  /**
   * Takes a message of the stream. The first one after the stream was opened is whole: who is not in
   * it is not there any more.
   */
  apply(update: { drivers: DriverReport[]; goneDriverIds: string[] }, whole: boolean): void;
  clear(): void;
  get(driverId: string): Driver | undefined;
  drivers(): Iterable<Driver>;
  /** Marks that fade away. */
  leaving(): readonly Leaving[];
  counts(): Counts;
  /** Whether anything moves, comes or goes. */
  isMoving(): boolean;
}

/** How long a mark takes to appear and to go. */
export const fadeMs = 450;
/** After a gap in the stream, marks go where they belong without delay. */
const catchUpMs = 600;

/** An empty fleet. `nowMs` is a clock that only goes forward. */
export function createFleet(nowMs: () => number, options: { still?: () => boolean } = {}): Fleet {
  const drivers = new Map<string, Driver>();
  let leaving: Leaving[] = [];

  const leave = (driverId: string) => {
    const driver = drivers.get(driverId);
    if (!driver) return;
    drivers.delete(driverId);
    leaving.push({ driver, leaveMs: nowMs() });
  };

  const report = (told: DriverReport, glideMs: number | undefined) => {
    const now = nowMs();
    const point = project(told.point);
    const known = drivers.get(told.driverId);
    const track = known
      ? moveTrack(known.track, point, told.headingDegrees, now, glideMs)
      : startTrack(point, told.headingDegrees, now);
    // A trail belongs to one trip.
    const sameTrip = known?.tripId === told.tripId && told.busy;
    drivers.set(told.driverId, {
      ...told,
      track: sameTrip ? track : { ...track, trail: [] },
      appearMs: known?.appearMs ?? now,
      reportMs: now,
    });
  };

  return {
    apply: (update, whole) => {
      const glideMs = options.still?.() ? 0 : whole ? catchUpMs : undefined;
      if (whole) {
        const present = new Set(update.drivers.map(({ driverId }) => driverId));
        for (const driverId of drivers.keys()) if (!present.has(driverId)) leave(driverId);
      }
      for (const told of update.drivers) report(told, glideMs);
      for (const driverId of update.goneDriverIds) leave(driverId);
    },
    clear: () => {
      drivers.clear();
      leaving = [];
    },
    get: (driverId) => drivers.get(driverId),
    drivers: () => drivers.values(),
    leaving: () => {
      const now = nowMs();
      leaving = leaving.filter(({ leaveMs }) => now < leaveMs + fadeMs);
      return leaving;
    },
    counts: () => {
      let busy = 0;
      for (const driver of drivers.values()) if (driver.busy) busy++;
      return { free: drivers.size - busy, busy };
    },
    isMoving: () => {
      const now = nowMs();
      if (leaving.length > 0) return true;
      for (const { track, appearMs } of drivers.values()) {
        if (isMoving(track, now) || now < appearMs + fadeMs) return true;
      }
      return false;
    },
  };
}
