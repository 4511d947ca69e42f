import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { expect } from "chai";
import { CityUpdated } from "../../gen/grpc/ridemesh/city/v1/city_events.js";
import { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import { createServer, type AddressInfo } from "node:net";
import { testHost, type TestHost } from "../testing/host.js";
import { answering } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import { on } from "./consumer.js";
import type { Runnable } from "./lifecycle.js";
import { appendEvents, newEvent } from "./outbox.js";
import { createPool, type Pool } from "./postgres.js";
import { serve } from "./server.js";
import { startService, type ServiceContext, type ServiceParts } from "./service.js";

const migrations = new URL("../city/migrations/", import.meta.url);

describe("a service", () => {
  let host: TestHost;
  let superuser: Pool;
  before(async () => {
    host = await testHost(["city"]);
    const { log } = host.host;
    superuser = createPool({ url: host.superuserUrl, max: 1, name: "test", log });
  });
  after(async () => {
    await superuser.end();
    await host.stop();
  });

  const handlers = answering(CityServiceService, {
    listCities: () => Promise.resolve({ cities: [] }),
  });
  const services = [serve(CityServiceService, handlers)];
  const start = (build: (context: ServiceContext) => Partial<ServiceParts>, port = 0) =>
    startService(
      { ...host.host, listen: () => ({ host: "127.0.0.1", port }) },
      { name: "city", migrations, build: (context) => ({ services, ...build(context) }) },
    );
  /** Sessions of the service at the database. */
  const sessions = async () => {
    const { rows } = await superuser.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity
       WHERE usename = 'ridemesh_city' AND datname = current_database()`,
    );
    return rows[0]!.n;
  };
  const recorder = (): Runnable & { stops: number } => {
    const runnable = {
      stops: 0,
      stop: () => {
        runnable.stops += 1;
        return Promise.resolve();
      },
    };
    return runnable;
  };

  it("answers, sends its events, hears those of others, and says that it is well", async () => {
    const heard: bigint[] = [];
    let context: ServiceContext | undefined;
    const service = await start((given) => {
      context = given;
      return {
        consumes: [on(CityUpdated, (event) => Promise.resolve(void heard.push(event.version)))],
      };
    });
    host.started(service);
    const answer = await host.call.unary(CityServiceService.listCities, undefined, {
      operator: "",
    });
    expect(answer).to.deep.equal({ cities: [] });
    await service.check();
    const message = { cityId: "ny", version: 7n, actorId: "" };
    const about = { key: "ny", tenantId: "metro", time: context!.domain.now() };
    await appendEvents(context!.pool, [newEvent(CityUpdated, message, about)]);
    context!.wakeRelay();
    await waitFor("the event", () => heard.length === 1);
    expect(heard).to.deep.equal([7n]);
    expect(context!.channel("trip")).to.equal(context!.channel("trip"));
    await service.stop();
  });

  it("stops once, all that it started, and leaves no connection", async () => {
    const background = recorder();
    const service = await start(() => ({ background: [background] }));
    await Promise.all([service.stop(), service.stop()]);
    await service.stop();
    expect(background.stops).to.equal(1);
    await waitFor("all sessions to end", async () => (await sessions()) === 0);
  });

  it("leaves nothing running when its port is taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const background = recorder();
    // grpc-js would write of it to standard error, too.
    setLogVerbosity(logVerbosity.NONE);
    const error = await start(() => ({ background: [background] }), port).then(
      () => "started",
      (thrown: Error) => thrown.message,
    );
    setLogVerbosity(logVerbosity.ERROR);
    expect(error).to.contain("EADDRINUSE");
    expect(background.stops).to.equal(1);
    await waitFor("all sessions to end", async () => (await sessions()) === 0);
    await new Promise((resolve) => taken.close(resolve));
  });

  it("leaves nothing running when its parts cannot be made", async () => {
    const error = await start(() => {
      throw new Error("no parts");
    }).then(
      () => "started",
      (thrown: Error) => thrown.message,
    );
    expect(error).to.equal("no parts");
    await waitFor("all sessions to end", async () => (await sessions()) === 0);
  });

  it("may be started by several processes at once, and each again", async () => {
    const all = await Promise.all([start(() => ({})), start(() => ({})), start(() => ({}))]);
    for (const service of all) await service.check();
    for (const service of all) await service.stop();
    const again = await start(() => ({}));
    await again.stop();
  });

  it("is not well without its database", async () => {
    const service = await start(() => ({}));
    await superuser.query("ALTER ROLE ridemesh_city NOLOGIN");
    try {
      await superuser.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE usename = 'ridemesh_city' AND datname = current_database()`,
      );
      await waitFor("the check to fail", () =>
        service.check().then(
          () => false,
          () => true,
        ),
      );
    } finally {
      await superuser.query("ALTER ROLE ridemesh_city LOGIN");
    }
    await waitFor("the check to succeed again", () => service.check().then(() => true));
    await service.stop();
  });
});
