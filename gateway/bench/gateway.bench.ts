/**
 * REST → gateway → service: ours, and NestJS on Fastify in front of the same service, side by side in
 * one run: `npm run bench:gateway -- [--rounds N] [--seconds N] [--connections N] [--profile FOLDER]`.
 *
 * Both remember verified tokens, check the same rules and call the service over mTLS. Beside that: what
 * the bare http2 client of ours gives against grpc-js, and what remembering the tokens gives.
 *
 * Each gateway is a process of its own, the service another, the load this one. They take turns in
 * short rounds; medians count, and of ratios the median over the rounds, whose two sides were measured
 * close to one another. The processor time that a gateway uses for a request is the figure to go by: on
 * few cores the others take theirs from what is left.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { expect } from "chai";
import { createAuthority } from "../../services/runtime/certificates.js";
import {
  hundredths,
  median,
  percentile,
  table,
  tenths,
  whole,
} from "../../services/testing/figures.js";
import { load, type Target } from "./load.js";
import { makePeople, type People } from "./people.js";
import { startChild, type Child } from "./processes.js";
import { byPackage, topFunctions } from "./profile.js";
import type { Addresses } from "./service/main.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "2" },
    connections: { type: "string", default: "32" },
    profile: { type: "string" },
  },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);
const connections = Number(options.connections);

interface Variant {
  name: string;
  gateway: Child<{ port: number }>;
}

interface Call {
  method: "GET" | "POST";
  path: string;
  body?: string;
}

interface Request extends Call {
  /** Other inputs that are good. */
  good: Call[];
  /** Inputs that break a rule each. */
  bad: Call[];
}

const tripCall = (tripId: string): Call => ({ method: "GET", path: `/api/trips/${tripId}` });
const fareCall = (body: object): Call => ({
  method: "POST",
  path: "/api/pricing/calculate",
  body: JSON.stringify(body),
});
const ride = { cityId: "new-york", vehicleClass: "VEHICLE_CLASS_ECONOMY" };
const fullRide = {
  ...ride,
  distanceMeters: 5200.5,
  durationSeconds: 900,
  startTime: "2026-03-06T17:00:00.125Z",
};
const requests: Record<string, Request> = {
  "GET /api/trips/{trip_id}": {
    ...tripCall("018f3c5e-7a4b-7cc1-8d2e-0123456789ab"),
    good: [tripCall("018f3c5e-7a4b-7cc1-8d2e-0123456789ac")],
    bad: [tripCall("no-uuid"), tripCall("018f3c5e-7a4b-7cc1-8d2e-0123456789a")],
  },
  "POST /api/pricing/calculate": {
    ...fareCall(fullRide),
    good: [
      ride,
      { ...fullRide, waitSeconds: 86_400, distanceMeters: 1_000_000, cityId: "x".repeat(64) },
    ].map(fareCall),
    bad: [
      { ...fullRide, cityId: undefined },
      { ...fullRide, cityId: "" },
      { ...fullRide, cityId: "x".repeat(65) },
      { ...fullRide, cityId: 1 },
      { ...fullRide, vehicleClass: undefined },
      { ...fullRide, vehicleClass: "VEHICLE_CLASS_UNSPECIFIED" },
      { ...fullRide, vehicleClass: "VEHICLE_CLASS_ROCKET" },
      { ...fullRide, distanceMeters: -1 },
      { ...fullRide, distanceMeters: 1_000_001 },
      { ...fullRide, durationSeconds: -1 },
      { ...fullRide, durationSeconds: 86_401 },
      { ...fullRide, waitSeconds: -1 },
      { ...fullRide, waitSeconds: 86_401 },
      { ...fullRide, startTime: "yesterday" },
      { ...fullRide, startTime: "2026-03-06" },
      { ...fullRide, discount: 1 },
    ].map(fareCall),
  },
};

const authority = await createAuthority({ now: new Date() });
const issue = (service: string) => authority.issue({ service, now: new Date() });
const people = await makePeople(connections);
const service = await startChild<Addresses>("./service/main.ts", {
  identities: { trip: await issue("trip"), pricing: await issue("pricing") },
  keys: people.keys,
  subjects: people.subjects,
});
const setup = { identity: await issue("gateway"), addresses: service.ready, keys: people.keys };
const variants: Variant[] = [];
const add = async (name: string, program: string, more: object): Promise<Variant> => {
  const variant = { name, gateway: await startChild<{ port: number }>(program, more) };
  variants.push(variant);
  return variant;
};
const addOurs = (name: string, more: { remembers: boolean; client: "http2" | "grpc-js" }) =>
  add(name, "./gateway/main.ts", { ...setup, ...more });
const addNest = (name: string, more: { remembers: boolean }) =>
  add(name, "./nest/main.ts", { ...setup, ...more });
const ours = await addOurs("ours", { remembers: true, client: "http2" });
const nest = await addNest("NestJS on Fastify", { remembers: true });
const oursOverGrpcJs = await addOurs("ours, grpc-js client", {
  remembers: true,
  client: "grpc-js",
});
const oursAnew = await addOurs("ours, each token verified anew", {
  remembers: false,
  client: "http2",
});
const nestAnew = await addNest("NestJS on Fastify, each token verified anew", { remembers: false });

/** The one, and what it is compared with. */
const comparisons: [what: string, one: Variant, other: Variant][] = [
  ["our gateway, against NestJS on Fastify", ours, nest],
  ["  both without remembering tokens", oursAnew, nestAnew],
  ["our bare http2 client, against grpc-js", ours, oursOverGrpcJs],
  ["remembering verified tokens, in our gateway", ours, oursAnew],
  ["  in NestJS on Fastify", nest, nestAnew],
];

const targetOf = (variant: Variant, { method, path, body }: Call): Target => ({
  method,
  path,
  ...(body === undefined ? {} : { body }),
  url: `http://127.0.0.1:${variant.gateway.ready.port}`,
  headers: (i) => headersOf(people, i, body !== undefined),
});

for (const request of Object.values(requests)) await sameAnswers(request);

interface Figures {
  perSecond: number[];
  cpuMicros: number[];
  latenciesMs: number[];
}

try {
  for (const [name, request] of Object.entries(requests)) {
    const figures = new Map<Variant, Figures>();
    for (const variant of variants) {
      figures.set(variant, { perSecond: [], cpuMicros: [], latenciesMs: [] });
      await load(targetOf(variant, request), { connections, seconds: Math.max(2, seconds) });
    }
    for (let round = 0; round < rounds; round += 1) {
      // Every other round in the opposite order, so that nobody always comes after the same other.
      const order = round % 2 === 0 ? variants : [...variants].reverse();
      for (const variant of order) {
        const before = await variant.gateway.cpuMicros();
        const result = await load(targetOf(variant, request), { connections, seconds });
        const used = (await variant.gateway.cpuMicros()) - before;
        const own = figures.get(variant)!;
        own.perSecond.push(result.requests / result.seconds);
        own.cpuMicros.push(used / result.requests);
        own.latenciesMs.push(...result.latenciesMs);
      }
    }
    report(name, figures);
  }
  if (options.profile) {
    for (const variant of variants) await profile(variant, options.profile);
  }
} finally {
  await Promise.all([...variants.map(({ gateway }) => gateway.stop()), service.stop()]);
}

function report(request: string, figures: Map<Variant, Figures>): void {
  const of = (variant: Variant) => figures.get(variant)!;
  const ratio = (over: readonly number[], under: readonly number[]) =>
    hundredths(median(over.map((value, round) => value / under[round]!)));
  console.log(`\n${request}, ${connections} connections, ${rounds} rounds of ${seconds} s`);
  console.log(
    table(
      ["", "CPU µs/request", "requests/s", "p50 ms", "p99 ms"],
      variants.map((variant) => {
        const { cpuMicros, perSecond, latenciesMs } = of(variant);
        return [
          variant.name,
          tenths(median(cpuMicros)),
          whole(median(perSecond)),
          tenths(percentile(latenciesMs, 50)),
          tenths(percentile(latenciesMs, 99)),
        ];
      }),
    ),
  );
  console.log(
    table(
      ["", "the other's CPU is ×", "requests/s are ×"],
      comparisons.map(([what, one, other]) => [
        what,
        ratio(of(other).cpuMicros, of(one).cpuMicros),
        ratio(of(one).perSecond, of(other).perSecond),
      ]),
    ),
  );
}

/** What is compared must do the same: answer the same, and refuse the same. */
async function sameAnswers(request: Request): Promise<void> {
  const ask = async (variant: Variant, call: Call, more: Record<string, string> = {}) => {
    const { url, path, method, body, headers } = targetOf(variant, call);
    const init = { method, headers: { ...headers(0), ...more }, body: body ?? null };
    const response = await fetch(url + path, init);
    return { status: response.status, json: (await response.json()) as object };
  };
  const aboutCall = ({ name }: Variant, { method, path, body = "" }: Call) =>
    `${name}: ${method} ${path} ${body}`;
  for (const call of [request, ...request.good]) {
    const first = await ask(ours, call);
    for (const variant of variants) {
      const answer = await ask(variant, call);
      expect(answer.status, aboutCall(variant, call)).to.equal(200);
      expect(answer.json, aboutCall(variant, call)).to.deep.equal(first.json);
    }
  }
  for (const variant of variants) {
    for (const call of request.bad) {
      const { status } = await ask(variant, call);
      expect(status, aboutCall(variant, call)).to.equal(400);
    }
    // Ours leaves it to the service to say that a token is missing.
    for (const [what, authorization] of [
      ["no token", ""],
      ["a forged token", `Bearer ${people.forged}`],
    ] as const) {
      const { status } = await ask(variant, request, { authorization });
      expect(status, `${variant.name}: ${what}`).to.equal(401);
    }
  }
}

function headersOf(from: People, i: number, hasBody: boolean): Record<string, string> {
  return {
    authorization: `Bearer ${from.tokens[i % from.tokens.length]}`,
    ...(hasBody ? { "content-type": "application/json" } : {}),
  };
}

async function profile(variant: Variant, folder: string): Promise<void> {
  const [[name, request]] = Object.entries(requests) as [[string, Request]];
  await variant.gateway.startProfile();
  await load(targetOf(variant, request), { connections, seconds: Math.max(4, seconds) });
  const taken = await variant.gateway.stopProfile();
  await mkdir(folder, { recursive: true });
  const file = `${variant.name.replaceAll(/\W+/g, "-")}.cpuprofile`;
  await writeFile(join(folder, file), JSON.stringify(taken));
  const rows = (shares: { name: string; percent: number }[]) =>
    shares.map((share) => [share.name, `${tenths(share.percent)} %`]);
  console.log(`\n${variant.name}: where its time goes (${name})`);
  console.log(table(["by package", ""], rows(byPackage(taken).slice(0, 14))));
  console.log(table(["by function, itself", ""], rows(topFunctions(taken, 30))));
}
