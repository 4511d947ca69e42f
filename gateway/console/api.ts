/** The platform's API, by the Connect protocol. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  createClient,
  type Client,
  type Interceptor,
} from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import type { Session as SessionMessage } from "../../gen/es/ridemesh/identity/v1/identity_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { LocationService } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { createSession, type Session, type Tokens } from "./session.js";

export interface Api {
  session: Session;
  city: Client<typeof CityService>;
  location: Client<typeof LocationService>;
  /** Ends the session, on the server too if that answers. */
  logout(): Promise<void>;
}

const callTimeoutMs = 15_000;

/** The API at an origin. Calls carry the token of `session`, where there is one. */
export function createApi(baseUrl: string, storage: Storage): Api {
  const options = { baseUrl, useBinaryFormat: true, defaultTimeoutMs: callTimeoutMs };
  // These two need no token, and must not wait for one.
  const open = createClient(IdentityService, createConnectTransport(options));
  const session = createSession({
    login: async (credentials) => {
      const { user, session: begun } = await open.login(credentials);
      if (!user?.roles.some((role) => role === Role.ADMIN || role === Role.SUPPORT)) {
        const headers = { authorization: `Bearer ${begun?.accessToken}` };
        await open.logout({}, { headers }).catch(() => undefined);
        throw new ConnectError("this account may not see the map", Code.PermissionDenied);
      }
      return tokensOf(begun);
    },
    refresh: async (refreshToken) => tokensOf((await open.refreshToken({ refreshToken })).session),
    storage,
    nowMs: () => Date.now(),
  });
  const transport = createConnectTransport({ ...options, interceptors: [withToken(session)] });
  return {
    session,
    city: createClient(CityService, transport),
    location: createClient(LocationService, transport),
    logout: async () => {
      const signal = AbortSignal.timeout(2000);
      await createClient(IdentityService, transport)
        .logout({}, { signal })
        .catch(() => undefined);
      session.end();
    },
  };
}

/** Adds the access token; a call that is refused for it is repeated once with a new one. */
function withToken(session: Session): Interceptor {
  return (next) => async (request) => {
    const token = await session.token();
    if (token) request.header.set("authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (error) {
      const refused = ConnectError.from(error).code === Code.Unauthenticated;
      if (!refused || !token || request.stream) throw error;
      await session.renew();
      request.header.set("authorization", `Bearer ${await session.token()}`);
      return next(request);
    }
  };
}

function tokensOf(message: SessionMessage | undefined): Tokens {
  if (!message?.accessExpireTime) throw new ConnectError("no session in the answer", Code.Internal);
  const { accessToken, refreshToken, accessExpireTime } = message;
  return { accessToken, refreshToken, accessExpireMs: timestampMs(accessExpireTime) };
}
