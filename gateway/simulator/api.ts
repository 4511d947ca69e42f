/**
 * The public API, as an ordinary client calls it: the generated clients over gRPC, which costs a phone,
 * and this machine, the least.
 */
import {
  Code,
  ConnectError,
  createClient,
  type CallOptions,
  type Client,
  type Transport,
} from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { DriverService } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import {
  IdentityService,
  type LoginResponse,
} from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import type { Session } from "../../gen/es/ridemesh/identity/v1/identity_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { PricingService } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";

const services = {
  city: CityService,
  identity: IdentityService,
  driver: DriverService,
  location: LocationService,
  pricing: PricingService,
  trip: TripService,
  dispatch: DispatchService,
  payment: PaymentService,
} as const;

/** A client for each service. */
export type Api = { [Name in keyof typeof services]: Client<(typeof services)[Name]> };

/** So many callers share a connection: their streams must fit into what the gateway allows on one. */
const callersPerConnection = 100;

/**
 * Gives each caller an API; callers share connections.
 *
 * @param options.ownPort the gateway is this very process's: whatever name its certificate is for
 */
export function createApiPool(url: string, options: { ownPort?: boolean } = {}): { api(): Api } {
  const nodeOptions = options.ownPort ? { rejectUnauthorized: false } : {};
  let apis: Api | undefined;
  let users = 0;
  return {
    api: () => {
      if (!apis || users >= callersPerConnection) {
        apis = apiOf(createGrpcTransport({ baseUrl: url, acceptCompression: [], nodeOptions }));
        users = 0;
      }
      users += 1;
      return apis;
    },
  };
}

function apiOf(transport: Transport): Api {
  const entries = Object.entries(services).map(([name, desc]) => [
    name,
    createClient(desc as DescService, transport),
  ]);
  return Object.fromEntries(entries) as Api;
}

/** What a person logs in with. */
export interface Credentials {
  operator: string;
  email: string;
  password: string;
}

/** A person who is logged in. */
export interface Login {
  api: Api;
  userId: string;
  /** What every call of his carries; refreshes the token when it is about to end. */
  options(extra?: CallOptions): Promise<CallOptions>;
  /** To be kept for the next start. */
  refreshToken(): string;
}

/** A token with less left than this is refreshed first. */
const refreshBeforeMs = 60_000;

/**
 * Wraps a session. `onRefresh` hears of each new refresh token; `logInAgain` opens another session when
 * this one can no longer be refreshed.
 */
export function loginOf(
  api: Api,
  userId: string,
  first: Session,
  wall: WallClock,
  more: {
    onRefresh?: (refreshToken: string) => void;
    logInAgain?: () => Promise<Session>;
  } = {},
): Login {
  let session = first;
  let refreshing: Promise<void> | undefined;
  const refreshed = async (): Promise<Session> => {
    const { refreshToken } = session;
    try {
      return (await api.identity.refreshToken({ refreshToken })).session!;
    } catch (error) {
      const hasEnded = error instanceof ConnectError && error.code === Code.Unauthenticated;
      if (!hasEnded || !more.logInAgain) throw error;
      return more.logInAgain();
    }
  };
  const refresh = async (): Promise<void> => {
    session = await refreshed();
    more.onRefresh?.(session.refreshToken);
  };
  return {
    api,
    userId,
    options: async (extra = {}) => {
      const endsMs = Number(session.accessExpireTime!.seconds) * 1000;
      if (endsMs - wall.now().getTime() < refreshBeforeMs) {
        refreshing ??= refresh().finally(() => (refreshing = undefined));
        await refreshing;
      }
      return { ...extra, headers: { authorization: `Bearer ${session.accessToken}` } };
    },
    refreshToken: () => session.refreshToken,
  };
}

/** Logs in. */
export async function logIn(api: Api, who: Credentials, wall: WallClock): Promise<Login> {
  const answer: LoginResponse = await api.identity.login(who);
  return loginOf(api, answer.user!.userId, answer.session!, wall);
}
