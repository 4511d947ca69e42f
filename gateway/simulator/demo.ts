/**
 * The demo city: a few drivers and riders who are ordinary clients of the public API, and two accounts
 * for a person to try things with. They keep their sessions in the data folder, so that a second start
 * needs no passwords.
 */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentMethodKind } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Runnable } from "../../services/runtime/lifecycle.js";
import type { Logger } from "../../services/runtime/log.js";
import { createApiPool, type Login } from "./api.js";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import { foldDay } from "./demand.js";
import { createDemoPeople, type Account } from "./demo-people.js";
import { createSessionFile } from "./demo-sessions.js";
import { followDomainClock, type DomainTime } from "./domain-time.js";
import { startDriver, type DriverAgent } from "./driver-agent.js";
import { placeTrip, pointInZone, type Zone } from "./geometry.js";
import { endLeftRides } from "./left-rides.js";
import { pathOfLength } from "./path.js";
import { randomOf, type Random } from "./random.js";
import { takeRide } from "./rider-agent.js";
import { createRides } from "./rides.js";
import { readTrips, type RecordedTrip } from "./trips-file.js";
import { readZones } from "./zones-file.js";

export interface DemoOptions {
  url: string;
  dataDir: string;
  /** They are there already; the riders and drivers of the city are made. */
  accounts: { admin: Account; rider: Account; driver: Account; otherAdmin: Account };
  wall: WallClock;
  log: Logger;
}

export interface Demo extends Runnable {
  /** One line on what goes on. */
  status(): string;
}

const metroDrivers = 24;
const metroRiders = 16;
/** The second operator is tiny. */
const harborDrivers = 2;
/** Domain seconds between two rides of one rider. */
const pauseSeconds = { low: 20, high: 240 };
/** And before his first one: who looks at the map now wants to see something move. */
const firstPauseSeconds = { low: 1, high: 40 };
/** A driver says so often where he is (domain seconds). */
const reportSeconds = 4;

/** Starts the demo in the background; people come one after the other. */
export function startDemo(options: DemoOptions): Demo {
  const { wall, log } = options;
  const controller = new AbortController();
  const { signal } = controller;
  // Every stream of every driver ends with it; Node would take so many listeners for a leak.
  setMaxListeners(0, signal);
  const figures: Figures = {
    drivers: 0,
    riders: 0,
    rides: 0,
    completed: 0,
    agents: [],
    hasFailed: false,
  };
  const work = run(options, signal, figures).catch((error: unknown) => {
    if (signal.aborted) return;
    figures.hasFailed = true;
    log.error({ err: error }, "the demo city has stopped");
  });
  return {
    status: () => {
      const busy = figures.agents.filter((agent) => agent.isBusy()).length;
      if (figures.hasFailed)
        return "the demo city has stopped: see ridemesh.log in the data folder";
      return `demo city: ${figures.drivers} drivers (${busy} busy), ${figures.riders} riders, ${figures.completed} rides completed`;
    },
    stop: async () => {
      controller.abort();
      // Rides under way go on for minutes; what they wait for is cut with the connections.
      await Promise.race([work, wall.sleep(300)]);
    },
  };
}

interface Figures {
  drivers: number;
  riders: number;
  rides: number;
  completed: number;
  agents: DriverAgent[];
  hasFailed: boolean;
}

async function run(options: DemoOptions, signal: AbortSignal, figures: Figures): Promise<void> {
  const { url, accounts, wall, log } = options;
  const pool = createApiPool(url, { ownPort: true });
  const sessions = await createSessionFile(join(options.dataDir, "demo-sessions.json"));
  const zones = await readZones(ZONES_FILE);
  const { trips } = await readTrips(SAMPLE_TRIPS_FILE, zones);
  const rideable = foldDay(trips)
    .requests.map((request) => request.trip)
    .filter(isShort);
  const time = await followDomainClock(pool.api(), wall);
  const unexpected = (what: string, error: unknown) => log.warn({ err: error }, `demo: ${what}`);
  const rides = createRides(wall);

  const people = createDemoPeople({ api: pool.api, sessions, time, wall });
  /** One person's trouble is not the others'. */
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) unexpected(what, error);
    }
  };

  const admin = await people.enter(accounts.admin, Role.ADMIN);
  const person = (kind: string, number: number, tenantId = accounts.admin.tenantId): Account => ({
    tenantId,
    email: `${kind}-${number}@demo.example`,
    password: accounts.rider.password,
    displayName: `${names[number % names.length]!} ${kind}`,
  });

  const drive = async (login: Login, random: Random, home: Zone): Promise<void> => {
    const agent = await startDriver({
      login,
      time,
      wall,
      random,
      rides,
      home: pointInZone(home, random),
      signal,
      onlyKnownRiders: true,
      reportSeconds,
      unexpected,
    });
    figures.agents.push(agent);
    figures.drivers += 1;
  };

  const centre = rideable.map((trip) => zones.get(trip.pickupZoneId)!);
  const riding: Promise<void>[] = [];
  // For a person to try: a driver who is approved and waits to be sent online.
  await attempt("the driver to try", async () => {
    await people.enterDriver(accounts.driver, { admin, cityId: "new-york", number: 900 });
  });
  for (let number = 1; number <= Math.max(metroDrivers, metroRiders); number += 1) {
    if (signal.aborted) return;
    const random = randomOf(1, "demo", number, wall.now().getTime());
    if (number <= metroDrivers) {
      await attempt(`driver ${number}`, async () => {
        const place = { admin, cityId: "new-york", number };
        const login = await people.enterDriver(person("driver", number), place);
        await attempt("left ride", () => endLeftRides(login, admin));
        await drive(login, random, random.pick(centre));
      });
    }
    if (number <= metroRiders) {
      await attempt(`rider ${number}`, async () => {
        const login = await people.enter(person("rider", number), Role.RIDER);
        await attempt("left ride", () => endLeftRides(login, admin));
        figures.riders += 1;
        riding.push(rideOn(login, random));
      });
    }
  }

  const otherAdmin = await people.enter(accounts.otherAdmin, Role.ADMIN);
  const harborZone = [...zones.values()].find((zone) =>
    zone.name.startsWith("Financial District"),
  )!;
  for (let number = 1; number <= harborDrivers; number += 1) {
    await attempt(`harbor's driver ${number}`, async () => {
      const who = person("driver", number, accounts.otherAdmin.tenantId);
      const place = { admin: otherAdmin, cityId: "harbor", number: 950 + number };
      const login = await people.enterDriver(who, place);
      await drive(login, randomOf(2, "harbor", number), harborZone);
    });
  }
  await Promise.all(riding);

  /** One ride after the other, with pauses. */
  async function rideOn(rider: Login, random: Random): Promise<void> {
    let { low, high } = firstPauseSeconds;
    for (;;) {
      await time.sleep(random.between(low, high), signal);
      if (signal.aborted) return;
      await oneRide(rider, random, time).catch((error: unknown) => unexpected("ride", error));
      ({ low, high } = pauseSeconds);
    }
  }

  async function oneRide(rider: Login, random: Random, clock: DomainTime): Promise<void> {
    const trip = random.pick(rideable);
    const placed = placeTrip(
      { pickup: zones.get(trip.pickupZoneId)!, dropoff: zones.get(trip.dropoffZoneId)! },
      trip.distanceMeters,
      random,
    );
    const path = pathOfLength(placed.pickup, placed.dropoff, trip.distanceMeters, random);
    figures.rides += 1;
    const seen = await takeRide(
      rider,
      { ...placed, path, durationSeconds: trip.durationSeconds, payment: PaymentMethodKind.CASH },
      { time: clock, wall, rides, unexpected },
    );
    if (seen.outcome.kind !== "completed") return;
    figures.completed += 1;
    const stars = random.next() < 0.8 ? 5 : 4;
    await rider.api.trip.rateTrip({ tripId: seen.trip!.tripId, stars }, await rider.options());
  }
}

/** Rides that a visitor sees the end of. */
function isShort(trip: RecordedTrip): boolean {
  return trip.durationSeconds < 15 * 60 && trip.distanceMeters < 6000;
}

const names = [
  "Alex",
  "Bo",
  "Chris",
  "Dee",
  "Eli",
  "Fran",
  "Gus",
  "Hao",
  "Ira",
  "Jo",
  "Kim",
  "Lee",
  "Max",
  "Noa",
];
