/**
 * A stand-in for a neighbour of the service under test: the neighbour's real contract on a real port
 * over mTLS, with answers given by the test. What the test does not answer is UNIMPLEMENTED.
 */
import { createPool } from "../runtime/postgres.js";
import { serve, startServer, type Handlers, type StubDefinition } from "../runtime/server.js";
import { Code, StatusError } from "../runtime/status.js";
import type { TestHost } from "./host.js";

/** Starts the stand-in; it stops with the host. */
export async function startStandIn<D extends StubDefinition>(
  testHost: TestHost,
  name: string,
  definition: D,
  answers: Partial<Handlers<D>>,
): Promise<void> {
  const { host } = testHost;
  const { wall, log, metrics, secrets } = host;
  const pool = createPool({ url: host.database.url(name), max: 1, name, log });
  const server = await startServer({
    services: [serve(definition, answering(definition, answers))],
    deps: {
      service: name,
      pool,
      verifier: testHost.verifier,
      owners: {},
      secrets,
      wall,
      metrics,
      log,
    },
    identity: host.identity(name),
    host: "127.0.0.1",
    port: 0,
  });
  testHost.started({
    name,
    port: server.port,
    check: () => Promise.resolve(),
    stop: async () => {
      await server.stop();
      await pool.end();
    },
  });
}

/** These handlers, and UNIMPLEMENTED from every other of the service. */
export function answering<D extends StubDefinition>(
  definition: D,
  answers: Partial<Handlers<D>>,
): Handlers<D> {
  const absent = Object.fromEntries(Object.keys(definition).map((method) => [method, refuse]));
  return { ...absent, ...answers };
}

function refuse(): never {
  throw new StatusError(Code.UNIMPLEMENTED, {
    reason: "UNIMPLEMENTED",
    message: "the stand-in does not answer this",
  });
}
