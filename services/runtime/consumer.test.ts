import { expect } from "chai";
import { CityUpdated } from "../../gen/grpc/ridemesh/city/v1/city_events.js";
import {
  ChargeFailed,
  ChargeSucceeded,
} from "../../gen/grpc/ridemesh/payment/v1/payment_events.js";
import { testHost, type TestHost } from "../testing/host.js";
import { publishEvent } from "../testing/publish.js";
import { waitFor } from "../testing/wait-for.js";
import { wallClock } from "./clock.js";
import { on, once, startConsumer, type EventHandler, type EventMeta } from "./consumer.js";
import { uuidv4 } from "./ids.js";
import { forgetOld } from "./idempotency.js";
import type { Runnable } from "./lifecycle.js";
import { silentLogger } from "./log.js";
import { migrateService } from "./migrate.js";
import { createPool, type Pool } from "./postgres.js";

const noon = new Date("2026-03-01T12:00:00Z");
const day = 86_400_000;

describe("consuming events", () => {
  let host: TestHost;
  let pool: Pool;
  const consumers: Runnable[] = [];

  before(async () => {
    host = await testHost(["city"]);
    const { ownerUrl: url, url: urlOf } = host.host.database;
    await migrateService({ url, schema: "city", log: silentLogger });
    pool = createPool({ url: urlOf("city"), max: 8, name: "city", log: silentLogger });
  });
  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.stop();
    await pool.query("DELETE FROM inbox");
    await pool.query("DELETE FROM outbox");
  });
  after(async () => {
    await pool.end();
    await host.stop();
  });

  const consume = async (group: string, ...handlers: EventHandler[]) => {
    consumers.push(await startConsumer(host.host.bus, group, handlers));
  };
  const about = (id = uuidv4(), key = "ny") => ({ key, tenantId: "metro", time: noon, id });
  const updated = (n: number) => ({ cityId: "ny", version: BigInt(n), actorId: "" });
  const meta = (id = uuidv4()): EventMeta => ({
    id,
    topic: "ridemesh.city.v1",
    key: "ny",
    type: CityUpdated.$type,
    tenantId: "metro",
    time: noon,
  });

  it("gives each handler the events of its type, decoded, with what is known besides", async () => {
    const cities: [CityUpdated, EventMeta][] = [];
    const charges: ChargeFailed[] = [];
    await consume(
      "a",
      on(CityUpdated, (event, m) => Promise.resolve(void cities.push([event, m]))),
      on(ChargeFailed, (event) => Promise.resolve(void charges.push(event))),
    );
    const id = uuidv4();
    await publishEvent(host.host.bus, CityUpdated, updated(3), about(id));
    await publishEvent(host.host.bus, ChargeSucceeded, ChargeSucceeded.fromPartial({}), about());
    const failed = ChargeFailed.fromPartial({ tripId: "t" });
    await publishEvent(host.host.bus, ChargeFailed, failed, about());
    await waitFor("both events", () => cities.length + charges.length === 2);
    expect(cities[0]![0]).to.deep.equal(updated(3));
    expect(cities[0]![1]).to.deep.include({ id, key: "ny", tenantId: "metro", time: noon });
    expect(cities[0]![1]).not.to.have.property("payload");
    expect(charges).to.deep.equal([failed]);
  });

  it("has one effect for an event that is delivered many times at once", async () => {
    const same = meta();
    let effects = 0;
    const runs = await Promise.all(
      Array.from({ length: 20 }, () =>
        once(pool, wallClock, "city", same, async (tx) => {
          effects += 1;
          await tx.query("SELECT pg_sleep(0.01)");
        }),
      ),
    );
    expect(effects).to.equal(1);
    expect(runs.filter(Boolean)).to.have.length(1);
  });

  it("has the effect again when it failed, and only then", async () => {
    let attempts = 0;
    let effects = 0;
    await consume(
      "b",
      on(CityUpdated, async (_event, m) => {
        // A new group gets what the tests before have published, too.
        if (m.key !== "harbor") return;
        await once(pool, wallClock, "city", m, async (tx) => {
          attempts += 1;
          await tx.query("INSERT INTO inbox VALUES ('effect', $1, $2)", [uuidv4(), noon]);
          if (attempts === 1) throw new Error("not yet");
          effects += 1;
        });
      }),
    );
    const id = uuidv4();
    await publishEvent(host.host.bus, CityUpdated, updated(1), about(id, "harbor"));
    await publishEvent(host.host.bus, CityUpdated, updated(1), about(id, "harbor"));
    const other = uuidv4();
    await publishEvent(host.host.bus, CityUpdated, updated(2), about(other, "harbor"));
    const rows = async (consumer: string) =>
      (await pool.query("SELECT 1 FROM inbox WHERE consumer = $1", [consumer])).rowCount;
    await waitFor("the last event", async () => (await rows("city")) === 2);
    expect([attempts, effects, await rows("effect")]).to.deep.equal([3, 2, 2]);
  });

  it("keeps two consumers of one service apart", async () => {
    const same = meta();
    const nothing = () => Promise.resolve();
    expect(await once(pool, wallClock, "one", same, nothing)).to.equal(true);
    expect(await once(pool, wallClock, "two", same, nothing)).to.equal(true);
    expect(await once(pool, wallClock, "two", same, nothing)).to.equal(false);
  });

  it("remembers events longer than the bus keeps them, and then no more", async () => {
    const nothing = () => Promise.resolve();
    const at = (ms: number) => ({ ...wallClock, now: () => new Date(noon.getTime() + ms) });
    const [old, young] = [meta(), meta()];
    await once(pool, at(0), "city", old, nothing);
    await once(pool, at(day), "city", young, nothing);
    await forgetOld(pool, new Date(noon.getTime() + 8 * day + 1));
    expect(await once(pool, wallClock, "city", young, nothing)).to.equal(false);
    expect(await once(pool, wallClock, "city", old, nothing)).to.equal(true);
  });
});
