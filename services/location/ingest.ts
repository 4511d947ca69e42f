/**
 * Which points of a driver are believed. Pure: the gate of a driver is a small value that this module
 * makes and moves; time comes with the call.
 */
import { DropReason } from "../../gen/grpc/ridemesh/location/v1/location.js";
import { distanceMeters } from "../runtime/geo.js";

/** Points less accurate than this are dropped, in meters. */
export const maxAccuracyMeters = 50;
/** No car is faster, in meters per second: 200 km/h. */
export const maxSpeedMps = 200 / 3.6;
/** A phone's clock may be this far ahead of the domain clock, in domain milliseconds. */
const maxAheadMs = 30_000;
/** A first point may be this old; older ones tell nothing about where the driver is. */
const maxAgeMs = 24 * 3_600_000;
/** Assumed of a point that does not say how accurate it is. */
const usualAccuracyMeters = 10;
/** Two fixes closer in time are compared as if they were this far apart: clocks are that coarse. */
const minStepMs = 1000;
/**
 * So many impossible points in a row that agree with each other are believed: the accepted one was
 * wrong. They must also span as many steps, or else a burst of points could jump about.
 */
export const freshStartAfter = 3;
const freshStartMs = (freshStartAfter - 1) * minStepMs;

/** A point as the gate looks at it. */
export interface GatePoint {
  lat: number;
  lng: number;
  /** Domain milliseconds since the epoch. */
  timeMs: number;
  /** 0 when not known. */
  accuracyMeters: number;
}

/** What the gate of one driver remembers. */
export interface Gate {
  /** Time of the last accepted point. */
  lastTimeMs: number;
  /**
   * The accepted point that speeds are measured from: at least `minStepMs` older than the next one of
   * its kind, so that a burst of points cannot add up the tolerance of each.
   */
  anchor: GatePoint | undefined;
  /** The first of a row of impossible points that agree with each other. */
  suspect: GatePoint | undefined;
  suspects: number;
}

/** The gate of a driver of whom nothing is known. */
export function newGate(): Gate {
  return {
    lastTimeMs: Number.NEGATIVE_INFINITY,
    anchor: undefined,
    suspect: undefined,
    suspects: 0,
  };
}

/** The gate of a driver whose last accepted point is known. */
export function gateAfter(last: GatePoint): Gate {
  return { lastTimeMs: last.timeMs, anchor: last, suspect: undefined, suspects: 0 };
}

/**
 * Decides about one point and moves the gate.
 *
 * @param nowMs the domain clock
 * @returns why the point is dropped; undefined when it is accepted.
 */
export function passGate(gate: Gate, point: GatePoint, nowMs: number): DropReason | undefined {
  if (point.accuracyMeters > maxAccuracyMeters) return DropReason.INACCURATE;
  if (point.timeMs > nowMs + maxAheadMs) return DropReason.FUTURE;
  if (point.timeMs <= gate.lastTimeMs || point.timeMs < nowMs - maxAgeMs) return DropReason.STALE;
  if (gate.anchor && !isReachable(gate.anchor, point)) {
    if (!gate.suspect || !isReachable(gate.suspect, point)) {
      gate.suspect = point;
      gate.suspects = 0;
    }
    gate.suspects += 1;
    const believed =
      gate.suspects >= freshStartAfter && point.timeMs - gate.suspect.timeMs >= freshStartMs;
    if (!believed) return DropReason.IMPOSSIBLE;
    gate.anchor = undefined;
  }
  gate.lastTimeMs = point.timeMs;
  if (!gate.anchor || point.timeMs - gate.anchor.timeMs >= minStepMs) gate.anchor = point;
  gate.suspect = undefined;
  gate.suspects = 0;
  return undefined;
}

/** Whether a car can have come from one to the other, given how accurate both are. */
function isReachable(from: GatePoint, to: GatePoint): boolean {
  const seconds = Math.max(minStepMs, to.timeMs - from.timeMs) / 1000;
  const tolerance =
    (from.accuracyMeters || usualAccuracyMeters) + (to.accuracyMeters || usualAccuracyMeters);
  const reach = maxSpeedMps * seconds + tolerance;
  // A degree of latitude is 111 km anywhere: most points need no trigonometry to be let through.
  const latMeters = Math.abs(to.lat - from.lat) * 111_195;
  const lngMeters = Math.abs(to.lng - from.lng) * 111_195;
  if (latMeters + lngMeters <= reach) return true;
  return latMeters <= reach + 1 && distanceMeters(from, to) <= reach;
}
