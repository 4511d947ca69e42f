/**
 * What a trip's command costs (load, decide, one statement that writes the row, its event, the outbox
 * row and the stored answer), against a bare insert of one row and its parts, on PostgreSQL with the
 * durable settings of `npm start`: `npm run bench:trip -- [--rounds N] [--seconds N]`.
 *
 * Everything takes turns in short rounds on one server, so that the ratios hold on any machine.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import pg from "pg";
import { AcceptTripResponse } from "../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { Party } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import { domainClock, wallClock } from "../runtime/clock.js";
import { setUpDatabase } from "../runtime/database-setup.js";
import { createFanout } from "../runtime/fanout.js";
import { hashBody, type Answer } from "../runtime/idempotency.js";
import { silentLogger } from "../runtime/log.js";
import { migrateService } from "../runtime/migrate.js";
import { newEvent } from "../runtime/outbox.js";
import { createPool, statement, type Pool } from "../runtime/postgres.js";
import { Code } from "../runtime/status.js";
import { createSecrets } from "../runtime/secrets.js";
import { startBenchPostgres } from "../testing/bench-postgres.js";
import { median, table, tenths, whole } from "../testing/figures.js";
import { execute, type CommandDeps } from "./commands.js";
import { tripColumns } from "./rows.js";
import { after, offerTo, requested } from "./sample.test.js";
import { insertTrip, loadTrip, updateTrip, type Change } from "./store.js";
import { decide, type Trip } from "./trip.js";
import { createViews } from "./view.js";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
  },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);
const widths = [1, 8, 32];
/** More commands in a second than any machine at hand carries out. */
const mostPerSecond = 6000;

const postgres = await startBenchPostgres();
const { ownerUrl, urls } = await setUpDatabase(postgres.superuserUrl, ["trip"]);
await migrateService({
  url: ownerUrl,
  schema: "trip",
  migrations: new URL("./migrations/", import.meta.url),
  log: silentLogger,
});
const owner = new pg.Client(ownerUrl);
await owner.connect();
const superuser = new pg.Client(postgres.superuserUrl);
await superuser.connect();
await owner.query(`
  CREATE TABLE trip.bench_rows (
    tenant_id text NOT NULL, id uuid NOT NULL, version bigint NOT NULL, payload bytea NOT NULL,
    create_time timestamptz NOT NULL, PRIMARY KEY (tenant_id, id))`);

const wall = wallClock;
const domain = domainClock({ wall });
const secrets = createSecrets([{ id: "bench", key: randomBytes(32) }]);
const views = createViews({
  riders: {
    listRiderCards: ({ riderIds }) =>
      Promise.resolve({
        cards: riderIds.map((riderId) => ({ riderId, firstName: "Riley", ratingAverage: 5 })),
      } as never),
  },
  drivers: { listDriverCards: () => Promise.resolve({ cards: [] }) },
  wall,
  log: silentLogger,
});

/** A trip that waits to be accepted, and by whom. */
interface Waiting {
  tripId: string;
  riderId: string;
  driverId: string;
}

const template: Trip = (() => {
  const first = requested();
  // Without a quote of its own, of which there could be but one trip.
  const plain = { ...first, terms: { ...first.terms, quoteId: "" } };
  const trip = after(plain, { kind: "begin_matching", searchNumber: 1 }, domain.now());
  const tomorrow = new Date(domain.now().getTime() + 86_400_000);
  return after(trip, offerTo(trip, [randomUUID()], tomorrow), domain.now());
})();

/** An operation on one of the trips that wait; the first ones need none of them. */
interface Operation {
  name: string;
  run: (pool: Pool, waiting: Waiting, prepared: Change | undefined) => Promise<unknown>;
  needsTrips?: boolean;
  prepare?: (waiting: Waiting) => Change;
}

const bare = statement(
  "bench_bare",
  `WITH changed AS (
     INSERT INTO bench_rows (tenant_id, id, version, payload, create_time)
     VALUES ($1, $2, $3, $4, $5) RETURNING 1)
   SELECT 1 FROM changed`,
);
const withOutbox = statement(
  "bench_outbox",
  `WITH changed AS (
     INSERT INTO bench_rows (tenant_id, id, version, payload, create_time)
     VALUES ($1, $2, $3, $4, $5) RETURNING 1),
   sent AS (
     INSERT INTO outbox (id, aggregatetype, aggregateid, type, tenant_id, payload, create_time)
     SELECT $6::uuid, 'ridemesh.trip.v1', $2::text, 'ridemesh.trip.v1.TripAccepted', $1, $4, $5
     FROM changed)
   SELECT 1 FROM changed`,
);
const payload = randomBytes(200);
const rowValues = () => ["metro", randomUUID(), 1n, payload, wall.now()];

const depsOf = (pool: Pool): CommandDeps => ({
  pool,
  domain,
  wall,
  changes: createFanout(),
  wakeRelay: () => undefined,
  wakeSettlement: () => undefined,
});

/** The answer as the server stores it: what the driver sees, encoded and encrypted. */
async function answerOf(trip: Trip): Promise<Answer> {
  const view = await views.view(trip, Party.DRIVER);
  const bytes = Buffer.from(AcceptTripResponse.encode({ trip: view }).finish());
  const requestId = randomUUID();
  return {
    tenantId: trip.tenantId,
    subject: trip.driverId!,
    method: "AcceptTrip",
    requestId,
    bodyHash: hashBody(Buffer.from(trip.tripId)),
    code: Code.OK,
    bytes: secrets.encrypt(bytes),
    encrypted: true,
    time: wall.now(),
  };
}

function changeOf({ tripId, riderId, driverId }: Waiting): Change {
  const trip = { ...template, tripId, riderId, offers: [{ ...template.offers[0]!, driverId }] };
  const decision = decide(trip, { kind: "accept", driverId }, domain.now());
  if (decision.refused) throw new Error(decision.message);
  const { type, message } = decision.event!;
  const about = { key: tripId, tenantId: trip.tenantId, time: domain.now() };
  const event = newEvent(type, message, about);
  return { trip: decision.trip, event, answer: undefined, settleAt: undefined };
}

const accept = (driverId: string) => ({ kind: "accept", driverId }) as const;
const operations: Operation[] = [
  { name: "bare insert of a row", run: (pool) => bare(pool, rowValues()) },
  {
    name: "insert with its outbox row",
    run: (pool) => withOutbox(pool, [...rowValues(), randomUUID()]),
  },
  {
    name: "the command: accept",
    needsTrips: true,
    run: (pool, { tripId, driverId }) =>
      execute(depsOf(pool), "metro", tripId, accept(driverId), { answer: answerOf }),
  },
  {
    name: "  without the stored answer",
    needsTrips: true,
    run: (pool, { tripId, driverId }) => execute(depsOf(pool), "metro", tripId, accept(driverId)),
  },
  {
    name: "  load alone",
    needsTrips: true,
    run: (pool, { tripId }) => loadTrip(pool, "metro", tripId),
  },
  {
    name: "  row, event and outbox alone",
    needsTrips: true,
    prepare: changeOf,
    run: (pool, _waiting, change) => updateTrip(pool, change!),
  },
];

interface Figures {
  perSecond: number[];
  clientMicros: number[];
  serverMicros: number[];
  walBytes: number[];
}

try {
  for (const width of widths) {
    const pool = createPool({ url: urls["trip"]!, max: width, name: "bench", log: silentLogger });
    const figures = new Map<Operation, Figures>();
    for (let round = 0; round <= rounds; round += 1) {
      const order = round % 2 === 0 ? operations : [...operations].reverse();
      for (const operation of order) {
        const measured = await measure(pool, width, operation);
        // The first round only warms up.
        if (round === 0) {
          figures.set(operation, {
            perSecond: [],
            clientMicros: [],
            serverMicros: [],
            walBytes: [],
          });
          continue;
        }
        const own = figures.get(operation)!;
        for (const key of Object.keys(own) as (keyof Figures)[]) own[key].push(measured[key]);
      }
    }
    await pool.end();
    report(width, figures);
  }
} finally {
  await owner.end();
  await superuser.end();
  await postgres.stop();
}

/** Runs an operation on so many connections for the time of a round. */
async function measure(
  pool: Pool,
  width: number,
  operation: Operation,
): Promise<Record<keyof Figures, number>> {
  await owner.query(`TRUNCATE trip.trips, trip.trip_events, trip.outbox, trip.idempotency_keys,
                     trip.settlements, trip.bench_rows`);
  await superuser.query("CHECKPOINT");
  const most = operation.needsTrips ? Math.ceil(mostPerSecond * seconds) : Infinity;
  const trips = operation.needsTrips ? await addTrips(most) : [];
  const changes = operation.prepare && trips.map(operation.prepare);
  const nobody: Waiting = { tripId: "", riderId: "", driverId: "" };

  const cpuBefore = process.cpuUsage();
  const serverBefore = await postgres.cpuSeconds();
  const walBefore = await walPosition();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (performance.now() < end && next < most) {
        const index = next;
        next += 1;
        await operation.run(pool, trips[index] ?? nobody, changes?.[index]);
      }
    }),
  );
  const elapsedSeconds = (performance.now() - begin) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const serverSeconds = (await postgres.cpuSeconds()) - serverBefore;
  return {
    perSecond: next / elapsedSeconds,
    clientMicros: (cpu.user + cpu.system) / next,
    serverMicros: (serverSeconds * 1e6) / next,
    walBytes: ((await walPosition()) - walBefore) / next,
  };
}

/** Adds trips that wait, each for a driver of its own. */
async function addTrips(count: number): Promise<Waiting[]> {
  const client = new pg.Client(urls["trip"]);
  await client.connect();
  try {
    const { event } = changeOf({ ...template, driverId: randomUUID() });
    await insertTrip(client as never, {
      trip: template,
      event,
      answer: undefined,
      settleAt: undefined,
    });
    const added = Array.from({ length: count }, () => ({
      tripId: randomUUID(),
      riderId: randomUUID(),
      driverId: randomUUID(),
    }));
    const own: Record<string, string> = {
      trip_id: "added.trip_id",
      rider_id: "added.rider_id",
      offers: "jsonb_set(offers, '{0,driverId}', to_jsonb(added.driver_id::text))",
    };
    await client.query(
      `INSERT INTO trips (${tripColumns.join(", ")})
       SELECT ${tripColumns.map((column) => own[column] ?? `trips.${column}`).join(", ")}
       FROM trips, unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS added (trip_id, rider_id, driver_id)
       WHERE trips.trip_id = $1`,
      [
        template.tripId,
        added.map((one) => one.tripId),
        added.map((one) => one.riderId),
        added.map((one) => one.driverId),
      ],
    );
    return added;
  } finally {
    await client.end();
  }
}

async function walPosition(): Promise<number> {
  const { rows } = await superuser.query<{ bytes: string }>(
    "SELECT pg_current_wal_insert_lsn() - '0/0' AS bytes",
  );
  return Number(rows[0]!.bytes);
}

function report(width: number, figures: Map<Operation, Figures>): void {
  const of = (operation: Operation, key: keyof Figures) => median(figures.get(operation)![key]);
  const [bareInsert, outboxInsert] = operations;
  // By rounds: what was measured close to one another is compared.
  const percentOf = (operation: Operation, base: Operation) => {
    const rates = figures.get(operation)!.perSecond;
    const baseRates = figures.get(base)!.perSecond;
    return `${whole(100 * median(rates.map((rate, round) => rate / baseRates[round]!)))} %`;
  };
  console.log(`\n${width} connection${width > 1 ? "s" : ""}, ${rounds} rounds of ${seconds} s`);
  console.log(
    table(
      [
        "",
        "a second",
        "of bare insert",
        "of insert + outbox",
        "client CPU µs",
        "server CPU µs",
        "WAL bytes",
      ],
      operations.map((operation) => [
        operation.name,
        whole(of(operation, "perSecond")),
        percentOf(operation, bareInsert!),
        percentOf(operation, outboxInsert!),
        tenths(of(operation, "clientMicros")),
        tenths(of(operation, "serverMicros")),
        whole(of(operation, "walBytes")),
      ]),
    ),
  );
}
