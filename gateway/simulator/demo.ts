/**
 * The demo city: a few drivers and riders who are ordinary clients of the public API, and two accounts
 * for a person to try things with. They keep their sessions in the data folder, so that a second start
 * needs no passwords.
 */
import { join } from "node:path";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PaymentMethodKind } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import type { Runnable } from "../../services/runtime/lifecycle.js";
import type { Logger } from "../../services/runtime/log.js";
import { createApiPool, logIn, loginOf, type Credentials, type Login } from "./api.js";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import { foldDay } from "./demand.js";
import { createSessionFile } from "./demo-sessions.js";
import { followDomainClock, type DomainTime } from "./domain-time.js";
import { startDriver, type DriverAgent } from "./driver-agent.js";
import { placeTrip, pointInZone, type Zone } from "./geometry.js";
import { onboardDriver, register } from "./onboarding.js";
import { pathOfLength } from "./path.js";
import { randomOf, type Random } from "./random.js";
import { takeRide } from "./rider-agent.js";
import { createRides } from "./rides.js";
import { readTrips, type RecordedTrip } from "./trips-file.js";
import { readZones } from "./zones-file.js";

/** An account, as the starter of the demo knows it. */
interface Account {
  tenantId: string;
  email: string;
  password: string;
  displayName: string;
}

export interface DemoOptions {
  url: string;
  dataDir: string;
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

/** Starts the demo in the background; people come one after the other. */
export function startDemo(options: DemoOptions): Demo {
  const { wall, log } = options;
  const controller = new AbortController();
  const { signal } = controller;
  const figures = { drivers: 0, riders: 0, rides: 0, completed: 0, agents: [] as DriverAgent[] };
  const work = run(options, signal, figures).catch((error: unknown) => {
    if (!signal.aborted) log.error({ err: error }, "the demo city has stopped");
  });
  return {
    status: () => {
      const busy = figures.agents.filter((agent) => agent.isBusy()).length;
      const time = wall.now().toISOString().slice(11, 19);
      return `${time}  demo city: ${figures.drivers} drivers (${busy} busy), ${figures.riders} riders, ${figures.completed} rides completed`;
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
}

async function run(options: DemoOptions, signal: AbortSignal, figures: Figures): Promise<void> {
  const { url, accounts, wall, log } = options;
  const pool = createApiPool(url);
  const sessions = await createSessionFile(join(options.dataDir, "demo-sessions.json"));
  const zones = await readZones(ZONES_FILE);
  const { trips } = await readTrips(SAMPLE_TRIPS_FILE, zones);
  const rideable = foldDay(trips)
    .requests.map((request) => request.trip)
    .filter(isShort);
  const time = await followDomainClock(pool.api(), wall);
  const unexpected = (what: string, error: unknown) => log.warn({ err: error }, `demo: ${what}`);
  const rides = createRides();

  /** Comes back with the session that was kept, else logs in, else registers. */
  const enter = async (who: Account, role: Role): Promise<{ login: Login; isNew: boolean }> => {
    const api = pool.api();
    const key = `${who.tenantId}/${who.email}`;
    const keep = (login: Login) => sessions.keep(key, login.userId, login.refreshToken());
    const kept = sessions.find(key);
    if (kept) {
      const answer = await api.identity
        .refreshToken({ refreshToken: kept.refreshToken })
        .catch(() => undefined);
      if (answer?.session) {
        const login = loginOf(api, kept.userId, answer.session, wall, (token) =>
          sessions.keep(key, kept.userId, token),
        );
        keep(login);
        return { login, isNew: false };
      }
    }
    const credentials: Credentials = {
      operator: who.tenantId,
      email: who.email,
      password: who.password,
    };
    const known = await logIn(api, credentials, wall).catch(() => undefined);
    const login =
      known ?? (await register(api, { ...credentials, displayName: who.displayName, role }, wall));
    keep(login);
    return { login, isNew: !known };
  };

  const addDriver = async (
    who: Account,
    admin: Login,
    cityId: string,
    number: number,
  ): Promise<Login> => {
    const { login, isNew } = await enter(who, Role.DRIVER);
    const known = isNew
      ? undefined
      : await login.api.driver
          .getDriver({ driverId: login.userId }, await login.options())
          .catch(() => undefined);
    if (!known) {
      const plate = `DEMO${String(number).padStart(3, "0")}`;
      await onboardDriver(login, admin, { cityId, plate, number }, time);
    }
    return login;
  };

  const { login: admin } = await enter(accounts.admin, Role.ADMIN);
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
      unexpected,
    });
    figures.agents.push(agent);
    figures.drivers += 1;
  };

  const centre = rideable.map((trip) => zones.get(trip.pickupZoneId)!);
  const riding: Promise<void>[] = [];
  for (let number = 1; number <= Math.max(metroDrivers, metroRiders); number += 1) {
    if (signal.aborted) return;
    const random = randomOf(1, "demo", number, wall.now().getTime());
    if (number <= metroDrivers) {
      const login = await addDriver(person("driver", number), admin, "new-york", number);
      await drive(login, random, random.pick(centre));
    }
    if (number <= metroRiders) {
      const { login } = await enter(person("rider", number), Role.RIDER);
      figures.riders += 1;
      riding.push(rideOn(login, random));
    }
  }
  // For a person to try: a rider, and a driver who is approved and waits to be sent online.
  await enter(accounts.rider, Role.RIDER);
  await addDriver(accounts.driver, admin, "new-york", 900);

  const { login: otherAdmin } = await enter(accounts.otherAdmin, Role.ADMIN);
  const harborZone = [...zones.values()].find((zone) =>
    zone.name.startsWith("Financial District"),
  )!;
  for (let number = 1; number <= harborDrivers; number += 1) {
    const who = person("driver", number, accounts.otherAdmin.tenantId);
    const login = await addDriver(who, otherAdmin, "harbor", 950 + number);
    await drive(login, randomOf(2, "harbor", number), harborZone);
  }
  await Promise.all(riding);

  /** One ride after the other, with pauses. */
  async function rideOn(rider: Login, random: Random): Promise<void> {
    while (!signal.aborted) {
      await time.sleep(random.between(pauseSeconds.low, pauseSeconds.high), signal);
      if (signal.aborted) return;
      await oneRide(rider, random, time).catch((error: unknown) => unexpected("ride", error));
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
