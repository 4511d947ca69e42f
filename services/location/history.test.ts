import { expect } from "chai";
import pg from "pg";
import { uuidv4 } from "../runtime/ids.js";
import { migrateService } from "../runtime/migrate.js";
import { createPool, type Pool } from "../runtime/postgres.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { testHost, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startHistory, type History } from "./history.js";
import type { StoredPoint } from "./store.js";

const noon = Date.parse("2024-03-01T12:00:00Z");

describe("the history of points", () => {
  let host: TestHost;
  let pool: Pool;
  let superuser: pg.Client;
  let history: History;
  /** How many statements wrote points. */
  let inserts = 0;

  before(async () => {
    host = await testHost(["location"]);
    const { database, log } = host.host;
    const migrations = new URL("./migrations/", import.meta.url);
    await migrateService({ url: database.ownerUrl, schema: "location", migrations, log });
    pool = createPool({ url: database.url("location"), max: 3, name: "location", log });
    const query = pool.query.bind(pool) as (config: { name: string }) => Promise<unknown>;
    Object.assign(pool, {
      query: (config: { name: string }) => {
        if (config.name === "points_insert") inserts += 1;
        return query(config);
      },
    });
    superuser = new pg.Client(host.superuserUrl);
    await superuser.connect();
  });
  after(async () => {
    await superuser.end();
    await pool.end();
    await host.stop();
  });
  beforeEach(() => {
    history = startHistory({ pool, wall: host.host.wall, log: host.host.log });
    inserts = 0;
  });
  afterEach(() => history.stop());

  const points = (driverId: string, count: number, from = 0): StoredPoint[] =>
    Array.from({ length: count }, (_, i) => ({
      tenantId: 'a "quoted\\" tenant',
      driverId,
      timeMs: noon + (from + i) * 1001,
      lat: 40.75 + i * 1e-7,
      lng: -73.98,
      accuracyMeters: 5,
      speedMps: 8.5,
      heading: 90,
    }));
  const rows = async (driverId: string) => {
    const sql = "SELECT * FROM location.driver_points WHERE driver_id = $1 ORDER BY observe_time";
    return (await superuser.query(sql, [driverId])).rows as Record<string, unknown>[];
  };

  it("has written a point as it was when the write is done", async () => {
    const driverId = uuidv4();
    const [point] = points(driverId, 1, 123);
    await history.write([point!]);
    expect(await rows(driverId)).deep.equal([
      {
        tenant_id: point!.tenantId,
        driver_id: driverId,
        observe_time: new Date(point!.timeMs),
        lat: point!.lat,
        lng: point!.lng,
        accuracy_meters: 5,
        speed_mps: 8.5,
        heading_degrees: 90,
      },
    ]);
    expect(history.pending()).equal(0);
  });

  it("writes with one statement what came while another was under way", async () => {
    await superuser.query("BEGIN");
    await superuser.query("LOCK TABLE location.driver_points IN ACCESS EXCLUSIVE MODE");
    const driverId = uuidv4();
    const writes = [history.write(points(driverId, 1))];
    await waitFor("the first statement", () => inserts === 1);
    for (let i = 1; i <= 200; i += 1) writes.push(history.write(points(driverId, 1, i)));
    await superuser.query("COMMIT");
    await Promise.all(writes);
    expect(inserts).equal(2);
    expect(await rows(driverId)).lengthOf(201);
  });

  it("lets points that nobody waits for gather, up to 500 or half a second", async () => {
    const driverId = uuidv4();
    await history.append(points(driverId, 499));
    expect(inserts).equal(0);
    await history.append(points(driverId, 1, 499));
    await waitFor("the points", async () => (await rows(driverId)).length === 500);
    expect(inserts).equal(1);
    await history.append(points(driverId, 1, 500));
    await waitFor("the last point", async () => (await rows(driverId)).length === 501);
  });

  it("tells who waits when it cannot write, keeps the points, and writes them later", async () => {
    const driverId = uuidv4();
    await superuser.query("ALTER TABLE location.driver_points RENAME TO elsewhere");
    const refused = await history.write(points(driverId, 2)).then(
      () => "written",
      (error: { code: string }) => error.code,
    );
    expect(refused).equal("42P01");
    expect(history.pending()).equal(2);
    await superuser.query("ALTER TABLE location.elsewhere RENAME TO driver_points");
    await history.write(points(driverId, 1, 2));
    expect(await rows(driverId)).lengthOf(3);
  });

  it("slows streams down, then refuses, when points come faster than they are written", async () => {
    const driverId = uuidv4();
    await superuser.query("BEGIN");
    await superuser.query("LOCK TABLE location.driver_points IN ACCESS EXCLUSIVE MODE");
    let isTaken = false;
    await history.append(points(driverId, 4999));
    const slowed = history.append(points(driverId, 1, 4999)).then(() => (isTaken = true));
    const more = history.append(points(driverId, 45_000, 5000));
    expect(await failure((async () => history.checkRoom())())).deep.include({
      code: Code.RESOURCE_EXHAUSTED,
      reason: "OVERLOADED",
      retryAfterMs: 1000,
    });
    expect(isTaken).equal(false);
    await superuser.query("COMMIT");
    await Promise.all([slowed, more]);
    history.checkRoom();
    expect(await rows(driverId)).lengthOf(50_000);
  });

  it("writes everything before it stops", async () => {
    const driverId = uuidv4();
    await history.append(points(driverId, 10));
    await history.stop();
    expect(await rows(driverId)).lengthOf(10);
  });
});
