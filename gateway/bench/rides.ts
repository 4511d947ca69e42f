/**
 * Complete rides over REST, as many a second as 1, 8 and 32 callers get through, and what each costs
 * the gateway, the services and PostgreSQL: `npm run bench:rides -- [--seconds N] [--callers 1,8,32]
 * [--postgres durable|test] [--profile FOLDER]`.
 *
 * A caller is a rider with one driver near, out of the reach of the others' offers. He asks for a
 * quote, requests, the driver sees the offer on his stream, accepts, sets off, arrives, starts with the
 * PIN, completes; the ride ends when the rider reads that it is paid. Everybody is registered before.
 * The gateway is a process of its own here, so that its processor time can be told apart.
 */
import { setMaxListeners } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { wallClock } from "../../services/runtime/clock.js";
import type { GeoPoint } from "../../services/runtime/geo.js";
import {
  hundredths,
  median,
  percentile,
  table,
  tenths,
  whole,
} from "../../services/testing/figures.js";
import { createApiPool } from "../simulator/api.js";
import { followDomainClock } from "../simulator/domain-time.js";
import { populate } from "../simulator/population.js";
import { phoneOf, type Phone } from "./people-on-phones.js";
import type { PlatformReady } from "./platform/main.js";
import { startChild, type Child } from "./processes.js";
import { byPackage, topFunctions } from "./profile.js";
import { farApart, patienceMs, stages, takeRide, type Pair, type Ride } from "./ride.js";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "15" },
    callers: { type: "string", default: "1,8,32" },
    postgres: { type: "string", default: "durable" },
    profile: { type: "string" },
  },
});
const seconds = Number(options.seconds);
const callerCounts = options.callers.split(",").map(Number);
const warmUpSeconds = 5;
/** Offers reach 5 km at most; a little more, and nobody hears of another's trips. */
const apartMeters = 5100;
/** Drivers who have not said where they are for 5 minutes are not asked. */
const reportMs = 60_000;

const platform = await startChild<PlatformReady>("./platform/main.ts", {
  postgres: options.postgres,
});
const gateway = await startChild<{ port: number }>("./gateway/main.ts", {
  identity: platform.ready.gatewayIdentity,
  addresses: platform.ready.addresses,
  remembers: true,
  client: "http2",
});
const url = `http://127.0.0.1:${gateway.ready.port}`;
const over = new AbortController();
// Each driver listens to it.
setMaxListeners(0, over.signal);
const reporting: NodeJS.Timeout[] = [];

try {
  const pairs = await makePairs(Math.max(...callerCounts));
  await measure(pairs.slice(0, callerCounts.at(-1)), warmUpSeconds);
  for (const callers of callerCounts) {
    report(callers, await measure(pairs.slice(0, callers), seconds));
  }
  if (options.profile) await profile(pairs, options.profile);
  over.abort();
  await Promise.all(pairs.flatMap(({ rider, driver }) => [rider.close(), driver.close()]));
} finally {
  over.abort();
  reporting.forEach(clearInterval);
  await gateway.stop();
  await platform.stop();
}

interface Measured {
  rides: Ride[];
  seconds: number;
  /** Processor time a ride, in milliseconds. */
  cpuMs: { gateway: number; services: number; postgres: number; callers: number };
}

/** Lets each pair take one ride after the other, for so long. */
async function measure(pairs: Pair[], forSeconds: number): Promise<Measured> {
  const usage = async () => ({
    gateway: (await gateway.cpuMicros()) / 1000,
    services: (await platform.cpuMicros()) / 1000,
    postgres: ((await platform.ask("postgres")) as number) * 1000,
    callers: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
  });
  const before = await usage();
  const began = performance.now();
  const rides: Ride[] = [];
  await Promise.all(
    pairs.map(async (pair) => {
      while (performance.now() - began < forSeconds * 1000) rides.push(await takeRide(pair));
    }),
  );
  const elapsed = (performance.now() - began) / 1000;
  const after = await usage();
  const each = (name: keyof typeof before) => (after[name] - before[name]) / rides.length;
  return {
    rides,
    seconds: elapsed,
    cpuMs: {
      gateway: each("gateway"),
      services: each("services"),
      postgres: each("postgres"),
      callers: each("callers"),
    },
  };
}

function report(callers: number, { rides, seconds: took, cpuMs }: Measured): void {
  const totals = rides.map((ride) => ride.totalMs);
  const all = cpuMs.gateway + cpuMs.services + cpuMs.postgres;
  const calls = rides.reduce((sum, ride) => sum + ride.calls, 0) / rides.length;
  console.log(`\n${callers} caller${callers > 1 ? "s" : ""}, ${options.postgres} PostgreSQL`);
  console.log(
    table(
      ["rides", "a second", "p50 ms", "p95 ms", "p99 ms", "HTTP calls a ride"],
      [
        [
          whole(rides.length),
          tenths(rides.length / took),
          whole(percentile(totals, 50)),
          whole(percentile(totals, 95)),
          whole(percentile(totals, 99)),
          tenths(calls),
        ],
      ],
    ),
  );
  console.log(
    table(
      ["CPU ms a ride", "gateway", "services", "PostgreSQL", "a core's rides a second"],
      [
        [
          hundredths(all),
          hundredths(cpuMs.gateway),
          hundredths(cpuMs.services),
          hundredths(cpuMs.postgres),
          tenths(1000 / all),
        ],
      ],
    ),
  );
  const stage = (i: number) => tenths(median(rides.map((ride) => ride.stagesMs[i]!)));
  console.log(table(["p50 ms of", ...stages], [["", ...stages.map((_, i) => stage(i))]]));
  console.log(`(the callers themselves: ${hundredths(cpuMs.callers)} ms a ride)`);
}

/** Registers riders and drivers, and puts each pair where nobody else is. */
async function makePairs(count: number): Promise<Pair[]> {
  const pool = createApiPool(url);
  const time = await followDomainClock(pool.api(), wallClock);
  const { riders, drivers } = await populate({
    url,
    admin: platform.ready.admin,
    cityId: "new-york",
    riders: count,
    drivers: count,
    run: "bench",
    time,
    wall: wallClock,
    progress: () => undefined,
  });
  const { city } = await pool
    .api()
    .city.getCity({ cityId: "new-york", operator: platform.ready.admin.operator });
  const places = farApart(city!.serviceArea, count, apartMeters);
  return Promise.all(
    places.map(async (at, i) => {
      const rider = phoneOf(url, riders[i]!);
      const driver = phoneOf(url, drivers[i]!);
      await reportPosition(driver, at);
      await driver.call("PUT", `/api/drivers/${driver.userId}/status`, {
        availability: "AVAILABILITY_ONLINE",
      });
      await reportPosition(driver, at);
      reporting.push(setInterval(() => void reportPosition(driver, at), reportMs));
      return { rider, driver, at, offered: watchOffers(driver) };
    }),
  );
}

async function reportPosition(driver: Phone, point: GeoPoint): Promise<void> {
  await driver.call("POST", `/api/locations/drivers/${driver.userId}`, {
    point,
    observeTime: new Date().toISOString(),
    accuracyMeters: 5,
  });
}

/** Follows the driver's offers; the returned function waits for the one of a trip. */
function watchOffers(driver: Phone): (tripId: string) => Promise<void> {
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  const onData = (json: unknown): void => {
    const { offer } = json as { offer?: { tripId: string; status: string } };
    if (offer?.status !== "OFFER_STATUS_LIVE") return;
    seen.add(offer.tripId);
    waiting.get(offer.tripId)?.();
  };
  driver.follow("/api/offers/watch", onData, over.signal).catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  return async (tripId) => {
    if (!seen.has(tripId)) {
      await new Promise<void>((resolve, reject) => {
        const giveUp = () => reject(new Error(`the driver was not offered ${tripId}`));
        const timer = setTimeout(giveUp, patienceMs);
        waiting.set(tripId, () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    waiting.delete(tripId);
    seen.delete(tripId);
  };
}

/** Where the time of the two processes goes, with all callers at work. */
async function profile(pairs: Pair[], folder: string): Promise<void> {
  const processes: [string, Child<unknown>][] = [
    ["gateway", gateway],
    ["services", platform],
  ];
  for (const [, child] of processes) await child.startProfile();
  await measure(pairs, Math.max(5, seconds / 2));
  await mkdir(folder, { recursive: true });
  for (const [name, child] of processes) {
    const taken = await child.stopProfile();
    await writeFile(join(folder, `rides-${name}.cpuprofile`), JSON.stringify(taken));
    const rows = (shares: { name: string; percent: number }[]) =>
      shares.map((share) => [share.name, `${tenths(share.percent)} %`]);
    console.log(`\nwhere the time of the ${name} goes`);
    console.log(table(["by package", ""], rows(byPackage(taken).slice(0, 20))));
    console.log(table(["by function, itself", ""], rows(topFunctions(taken, 30))));
  }
}
