/**
 * REST → gateway → service: ours, and NestJS on Fastify in front of the same service, side by side in
 * one run: `npm run bench:gateway -- [--rounds N] [--seconds N] [--connections N] [--profile FOLDER]`.
 *
 * Each gateway is a process of its own, the service another, the load this one. They take turns in
 * short rounds; medians count. The processor time that a gateway uses for a request is the figure to
 * go by: on few cores the others take theirs from what is left.
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

const tripId = "018f3c5e-7a4b-7cc1-8d2e-0123456789ab";
const requests: Record<string, Pick<Target, "method" | "path" | "body">> = {
  "GET /api/trips/{trip_id}": { method: "GET", path: `/api/trips/${tripId}` },
  "POST /api/pricing/calculate": {
    method: "POST",
    path: "/api/pricing/calculate",
    body: JSON.stringify({
      cityId: "new-york",
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
      distanceMeters: 5200.5,
      durationSeconds: 900,
      startTime: "2026-03-06T17:00:00.125Z",
    }),
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
const add = async (name: string, program: string, more: object) => {
  variants.push({ name, gateway: await startChild(program, { ...setup, ...more }) });
};
const ours = "./gateway/main.ts";
const nest = "./nest/main.ts";
await add("ours", ours, { remembers: true, client: "http2" });
await add("ours, grpc-js client", ours, { remembers: true, client: "grpc-js" });
await add("ours, each token verified anew", ours, { remembers: false, client: "http2" });
await add("NestJS on Fastify", nest, { remembers: false });
await add("NestJS on Fastify, tokens remembered", nest, { remembers: true });

const targetOf = (variant: Variant, request: string): Target => ({
  ...requests[request]!,
  url: `http://127.0.0.1:${variant.gateway.ready.port}`,
  headers: (i) => headersOf(people, i, requests[request]!.body !== undefined),
});

for (const request of Object.keys(requests)) await sameAnswers(request);

interface Figures {
  perSecond: number[];
  cpuMicros: number[];
  latenciesMs: number[];
}

try {
  for (const request of Object.keys(requests)) {
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
    report(request, figures);
  }
  if (options.profile) {
    for (const variant of variants) await profile(variant, options.profile);
  }
} finally {
  await Promise.all([...variants.map(({ gateway }) => gateway.stop()), service.stop()]);
}

function report(request: string, figures: Map<Variant, Figures>): void {
  const cpuOf = (variant: Variant) => median(figures.get(variant)!.cpuMicros);
  const rateOf = (variant: Variant) => median(figures.get(variant)!.perSecond);
  const [first] = variants;
  console.log(`\n${request}, ${connections} connections, ${rounds} rounds of ${seconds} s`);
  console.log(
    table(
      ["", "CPU µs/request", "ours is ×", "requests/s", "ours is ×", "p50 ms", "p99 ms"],
      variants.map((variant) => {
        const { latenciesMs } = figures.get(variant)!;
        return [
          variant.name,
          tenths(cpuOf(variant)),
          hundredths(cpuOf(variant) / cpuOf(first!)),
          whole(rateOf(variant)),
          hundredths(rateOf(first!) / rateOf(variant)),
          tenths(percentile(latenciesMs, 50)),
          tenths(percentile(latenciesMs, 99)),
        ];
      }),
    ),
  );
}

/** What is compared must do the same. */
async function sameAnswers(request: string): Promise<void> {
  const answers = await Promise.all(
    variants.map(async (variant) => {
      const { url, path, method, body, headers } = targetOf(variant, request);
      const response = await fetch(url + path, { method, headers: headers(0), body: body ?? null });
      if (!response.ok) throw new Error(`${variant.name}: ${await response.text()}`);
      return (await response.json()) as object;
    }),
  );
  for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
  for (const variant of variants) {
    const { url, path, method, body } = targetOf(variant, request);
    const response = await fetch(url + path, { method, body: body ?? null });
    // Ours leaves it to the service to say that a token is missing.
    if (response.status !== 401) throw new Error(`${variant.name} let an anonymous call through`);
  }
}

function headersOf(from: People, i: number, hasBody: boolean): Record<string, string> {
  return {
    authorization: `Bearer ${from.tokens[i % from.tokens.length]}`,
    ...(hasBody ? { "content-type": "application/json" } : {}),
  };
}

async function profile(variant: Variant, folder: string): Promise<void> {
  const [request] = Object.keys(requests);
  await variant.gateway.startProfile();
  await load(targetOf(variant, request!), { connections, seconds: Math.max(4, seconds) });
  const taken = await variant.gateway.stopProfile();
  await mkdir(folder, { recursive: true });
  const file = `${variant.name.replaceAll(/\W+/g, "-")}.cpuprofile`;
  await writeFile(join(folder, file), JSON.stringify(taken));
  const rows = (shares: { name: string; percent: number }[]) =>
    shares.map(({ name, percent }) => [name, `${tenths(percent)} %`]);
  console.log(`\n${variant.name}: where its time goes (${request})`);
  console.log(table(["by package", ""], rows(byPackage(taken).slice(0, 14))));
  console.log(table(["by function, itself", ""], rows(topFunctions(taken, 30))));
}
