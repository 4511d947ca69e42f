/** Plays a demand through a platform and says what was seen. */
import { setMaxListeners } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { PaymentMethodKind } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import { createApiPool, type Credentials, type Login } from "./api.js";
import type { Demand, ScheduledRequest, Window } from "./demand.js";
import { followDomainClock, type DomainTime } from "./domain-time.js";
import { startDriver, type DriverAgent } from "./driver-agent.js";
import { placeTrip, pointInZone, type Zone } from "./geometry.js";
import { inParallel } from "./onboarding.js";
import type { Steer } from "./own-platform.js";
import { createPace, firstPace } from "./pace.js";
import { pathOfLength } from "./path.js";
import { populate } from "./population.js";
import { randomOf } from "./random.js";
import type { RideObservation } from "./report.js";
import { takeRide } from "./rider-agent.js";
import { createRides } from "./rides.js";

export interface ReplayRun {
  url: string;
  admin: Credentials;
  demand: Demand;
  window: Window;
  zones: Map<number, Zone>;
  drivers: number;
  seed: number;
  wall: WallClock;
  /** Sets the domain clock; undefined where it cannot be set. */
  steer: Steer | undefined;
  /** Domain seconds per second; undefined is as fast as offers are still answered in time. */
  speed: number | undefined;
  progress: (text: string, done: number, of: number) => void;
  signal: AbortSignal;
}

export interface ReplaySeen {
  rides: RideObservation[];
  unexpectedAnswers: Record<string, number>;
  wallSeconds: number;
  /** Domain seconds per second, on average. */
  speed: number;
}

const paceMs = 1000;
const cityId = "new-york";
/** Riders take turns: so many are enough for a day of the recorded month. */
const riderCount = 300;
/** Drivers come online so long before the first request (domain time), and never less in wall time. */
const leadSeconds = 600;
const leadWallSeconds = 4;
/** A Wednesday in winter time: its local midnight is at 05:00 UTC. */
const playedMidnight = Date.parse("2019-03-06T05:00:00Z");

/** Plays it; resolves when the last ride has come to its end. When the signal aborts, it need not. */
export async function runReplay(run: ReplayRun): Promise<ReplaySeen> {
  const { wall, demand, seed, zones } = run;
  const speed = run.speed ?? firstPace;
  const unexpectedAnswers: Record<string, number> = {};
  const unexpected = (what: string, error: unknown): void => {
    const code = error instanceof ConnectError ? Code[error.code] : "error";
    const key =
      `${what}: ${code} ${error instanceof Error ? error.message.slice(0, 80) : ""}`.trim();
    unexpectedAnswers[key] = (unexpectedAnswers[key] ?? 0) + 1;
  };
  const pool = createApiPool(run.url);
  const api = pool.api();
  const setUpTime = await followDomainClock(api, wall);
  const people = await populate({
    url: run.url,
    admin: run.admin,
    cityId,
    riders: Math.min(riderCount, demand.requests.length),
    drivers: run.drivers,
    run: wall.now().getTime().toString(36),
    time: setUpTime,
    wall,
    progress: (done, of) => run.progress("making riders and drivers", done, of),
  });

  await inParallel(people.riders, 16, async (rider) =>
    rider.api.payment.addCard({ cardToken: "tok_visa" }, await rider.options()),
  );

  const beginMs = playedMidnight + run.window.fromSecond * 1000;
  const lead = Math.max(leadSeconds, leadWallSeconds * speed);
  if (run.steer) await run.steer({ origin: new Date(beginMs - lead * 1000), rate: speed });
  const time: DomainTime = await followDomainClock(api, wall);
  const rides = createRides(wall);
  const pace = createPace();
  const goHome = new AbortController();
  const signal = AbortSignal.any([goHome.signal, run.signal]);
  // Every driver and every rider listens.
  setMaxListeners(0, signal, run.signal);

  const pickupZones = demand.requests.map((request) => request.trip.pickupZoneId);
  const agents: DriverAgent[] = await inParallel(people.drivers, 16, (login, index) => {
    const random = randomOf(seed, "driver", index);
    const home = pointInZone(zones.get(random.pick(pickupZones))!, random);
    const sawDelay = pace.saw;
    return startDriver({ login, time, wall, random, rides, home, signal, sawDelay, unexpected });
  });

  const begin = run.steer ? new Date(beginMs) : time.now();
  const beganMs =
    wall.monotonicMs() + Math.max(0, begin.getTime() - time.now().getTime()) / time.rate;
  const { steer } = run;
  const pacing =
    steer && run.speed === undefined
      ? (async () => {
          for (;;) {
            await wall.sleep(paceMs, signal);
            if (signal.aborted) return;
            const rate = pace.next();
            if (rate !== time.rate) time.follow(await steer({ rate }));
          }
        })()
      : undefined;
  const free: Login[] = [...people.riders];
  const waiting: ((rider: Login) => void)[] = [];
  const takeRider = (): Promise<Login> | Login =>
    free.pop() ?? new Promise<Login>((resolve) => waiting.push(resolve));
  const giveBack = (rider: Login): void => {
    const next = waiting.shift();
    if (next) next(rider);
    else free.push(rider);
  };
  let done = 0;
  const play = async ({ trip, index }: ScheduledRequest): Promise<RideObservation> => {
    const random = randomOf(seed, "ride", trip.line);
    const pickupZone = zones.get(trip.pickupZoneId)!;
    const dropoffZone = zones.get(trip.dropoffZoneId)!;
    const placed = placeTrip(
      { pickup: pickupZone, dropoff: dropoffZone },
      trip.distanceMeters,
      random,
    );
    const path = pathOfLength(placed.pickup, placed.dropoff, trip.distanceMeters, random);
    const { movedDropoff } = placed;
    const rider = await takeRider();
    const { pickup, dropoff } = placed;
    const seen = await takeRide(
      rider,
      {
        pickup,
        dropoff,
        path,
        durationSeconds: trip.durationSeconds,
        payment: index % 2 === 0 ? PaymentMethodKind.CASH : PaymentMethodKind.CARD,
      },
      { time, wall, rides, unexpected },
    );
    giveBack(rider);
    run.progress("rides", (done += 1), demand.requests.length);
    const { trip: _last, arrivedAt: _arrived, ...figures } = seen;
    return { ...figures, movedDropoff, meterFareMinor: trip.fareMinor };
  };
  const played: Promise<RideObservation>[] = [];
  for (const request of demand.requests) {
    await time.sleepUntil(new Date(begin.getTime() + request.offsetSeconds * 1000), run.signal);
    run.signal.throwIfAborted();
    played.push(play(request));
  }
  const observed = await Promise.all(played);
  const wallSeconds = (wall.monotonicMs() - beganMs) / 1000;
  const speedReached = (time.now().getTime() - begin.getTime()) / 1000 / wallSeconds;
  goHome.abort();
  await pacing;
  await Promise.all(agents.map((agent) => agent.done));
  return { rides: observed, unexpectedAnswers, wallSeconds, speed: speedReached };
}
