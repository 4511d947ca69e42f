/**
 * Not tests, but what the tests of this service share: identity on a real port with real Postgres,
 * a stand-in for the city service, a wall clock to move. (Only *.test.ts may use services/testing.)
 */
import { decodeJwt } from "jose";
import pg from "pg";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import type { Session } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import {
  AccountLocked,
  SuspiciousActivityDetected,
  TokenRefreshed,
  UserLoggedIn,
  UserLoggedOut,
  UserRegistered,
} from "../../gen/grpc/ridemesh/identity/v1/identity_events.js";
import {
  IdentityServiceService,
  type RegisterUserRequest,
} from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { createChannel } from "../runtime/client.js";
import { on, startConsumer } from "../runtime/consumer.js";
import type { MessageType } from "../runtime/outbox.js";
import type { RunningService } from "../runtime/service.js";
import { Code, StatusError } from "../runtime/status.js";
import { createTokenVerifier, type TokenVerifier } from "../runtime/token.js";
import { watchTrust } from "../runtime/watch.js";
import { testHost, type TestHost } from "../testing/host.js";
import { movableWall, type MovableWall } from "../testing/movable-wall.js";
import { startStandIn } from "../testing/stand-in.js";
import { startIdentity } from "./app.js";
import type { IdentityConfig } from "./config.js";

export interface World {
  t: TestHost;
  wall: MovableWall;
  service: RunningService;
  /** The verifier of another service, which follows identity's WatchTrust. */
  verifier: TokenVerifier;
  /** What the stand-in for city was asked, and whether it is away. */
  city: { asked: string[]; away: boolean };
  /** Events in the order of their arrival. */
  events: { type: string; tenantId: string; key: string; event: Record<string, unknown> }[];
  /** Starts one more process of the service on the same database. */
  startAnother(): Promise<{ service: RunningService; verifier: TokenVerifier }>;
  /** Makes a rider of "metro" unless told otherwise. */
  register(given?: Partial<RegisterUserRequest>): Promise<{ session: Session; userId: string }>;
  login(email: string, password?: string): Promise<{ session: Session }>;
  refresh(refreshToken: string): Promise<Session>;
  /** Queries the service's schema as the superuser. */
  sql<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
}

export const goodPassword = "tulip-harbour-42";
const cheap: IdentityConfig = { bcryptCost: 4, temporaryData: true, firstAccounts: [] };
const types: MessageType<unknown>[] = [
  UserRegistered,
  UserLoggedIn,
  UserLoggedOut,
  TokenRefreshed,
  SuspiciousActivityDetected,
  AccountLocked,
] as never;

let emails = 0;
/** An e-mail that no other test uses. */
export function newEmail(): string {
  return `person${(emails += 1)}@example.com`;
}

/** Starts everything; `world.t.stop()` ends it. */
export async function startWorld(config: Partial<IdentityConfig> = {}): Promise<World> {
  const t = await testHost(["identity", "city", "rider", "driver"]);
  try {
    return await build(t, { ...cheap, ...config });
  } catch (error) {
    await t.stop();
    throw error;
  }
}

async function build(t: TestHost, config: IdentityConfig): Promise<World> {
  const wall = movableWall();
  const city: World["city"] = { asked: [], away: false };
  await startStandIn(t, "city", CityInternalServiceService, {
    resolveOperator: ({ operator, host }) => {
      city.asked.push(operator || host);
      if (city.away) return Promise.reject(new StatusError(Code.UNAVAILABLE, awayDetails));
      const known = ["metro", "harbor"].find((one) => one === operator || `${one}.test` === host);
      if (!known) throw new StatusError(Code.INVALID_ARGUMENT, unknownDetails);
      return Promise.resolve({ tenantId: known, name: known });
    },
  });

  const startProcess = async () => {
    const verifier = createTokenVerifier(wall);
    const service = await startIdentity({ ...t.host, wall, verifier }, config);
    const { log } = t.host;
    const channel = createChannel({
      service: "identity",
      address: () => `127.0.0.1:${service.port}`,
      identity: t.host.identity("trip"),
      wall,
      log,
    });
    const watch = watchTrust(channel, verifier, { wall, log });
    t.started({
      ...service,
      stop: async () => {
        await watch.stop();
        await channel.stop();
        await service.stop();
      },
    });
    return { service, verifier };
  };

  const first = await startProcess();
  const events: World["events"] = [];
  const consumer = await startConsumer(
    t.host.bus,
    "test",
    types.map((type) =>
      on(type, (event, { tenantId, key }) => {
        const content = event as Record<string, unknown>;
        events.push({ type: type.$type.split(".").at(-1)!, tenantId, key, event: content });
        return Promise.resolve();
      }),
    ),
  );
  const client = new pg.Client({
    connectionString: t.superuserUrl,
    options: "-c search_path=identity",
  });
  await client.connect();
  const stop = async () => {
    await client.end();
    await consumer.stop();
    await t.stop();
  };

  const register: World["register"] = async (given = {}) => {
    const request = registration(given);
    const answer = await t.call.unary(IdentityServiceService.registerUser, undefined, request);
    return { session: answer.session!, userId: answer.user!.userId };
  };
  return {
    t: { ...t, stop },
    wall,
    ...first,
    city,
    events,
    startAnother: startProcess,
    register,
    login: async (email, password = goodPassword) => {
      const request = { operator: "metro", email, password };
      const answer = await t.call.unary(IdentityServiceService.login, undefined, request);
      return { session: answer.session! };
    },
    refresh: async (refreshToken) => {
      const request = { refreshToken };
      const answer = await t.call.unary(IdentityServiceService.refreshToken, undefined, request);
      return answer.session!;
    },
    sql: async (text, values = []) => (await client.query(text, values)).rows as never,
  };
}

const awayDetails = { reason: "", message: "away" };
const unknownDetails = { reason: "UNKNOWN_OPERATOR", domain: "ridemesh", message: "unknown" };

/** A rider of "metro" unless told otherwise. */
export function registration(given: Partial<RegisterUserRequest> = {}): RegisterUserRequest {
  return {
    operator: "metro",
    email: newEmail(),
    phone: "",
    password: goodPassword,
    displayName: "Robin Ray",
    role: Role.RIDER,
    requestId: "",
    ...given,
  };
}

/** The session that an access token is of. */
export function sessionIdOf({ accessToken }: Session): string {
  return String(decodeJwt(accessToken)["sid"]);
}
