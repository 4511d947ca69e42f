/** The demo's people: they come back with the sessions of the last start, or are made. */
import { Code, ConnectError } from "@connectrpc/connect";
import { OnboardingStatus } from "../../gen/es/ridemesh/driver/v1/driver_pb.js";
import type { Session } from "../../gen/es/ridemesh/identity/v1/identity_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import type { WallClock } from "../../services/runtime/clock.js";
import { loginOf, type Api, type Login } from "./api.js";
import type { SessionFile } from "./demo-sessions.js";
import type { DomainTime } from "./domain-time.js";
import { onboardDriver } from "./onboarding.js";

/** An account, as the starter of the demo knows it. */
export interface Account {
  tenantId: string;
  email: string;
  password: string;
  displayName: string;
}

export interface DemoPeople {
  /** Comes back with the session that was kept, else logs in, else registers. */
  enter(who: Account, role: Role): Promise<Login>;
  /** Enters, and is brought to where an admin has approved him, however far he came last time. */
  enterDriver(
    who: Account,
    place: { admin: Login; cityId: string; number: number },
  ): Promise<Login>;
}

/** People of one platform. Rejections are those of the API. */
export function createDemoPeople(deps: {
  api: () => Api;
  sessions: SessionFile;
  time: DomainTime;
  wall: WallClock;
}): DemoPeople {
  const { sessions, time, wall } = deps;

  const enter: DemoPeople["enter"] = async (who, role) => {
    const api = deps.api();
    const key = `${who.tenantId}/${who.email}`;
    const { tenantId: operator, email, password, displayName } = who;
    const credentials = { operator, email, password };

    const refreshed = async (): Promise<Opened | undefined> => {
      const kept = sessions.find(key);
      if (!kept) return undefined;
      const { refreshToken, userId } = kept;
      const answer = await unless(
        Code.Unauthenticated,
        api.identity.refreshToken({ refreshToken }),
      );
      return answer && { userId, session: answer.session! };
    };
    const loggedIn = async (): Promise<Opened | undefined> => {
      const answer = await unless(Code.Unauthenticated, api.identity.login(credentials));
      return answer && { userId: answer.user!.userId, session: answer.session! };
    };
    const registered = async (): Promise<Opened> => {
      const { user, session } = await api.identity.registerUser({
        ...credentials,
        displayName,
        role,
      });
      return { userId: user!.userId, session: session! };
    };

    const { userId, session } = (await refreshed()) ?? (await loggedIn()) ?? (await registered());
    const keep = (refreshToken: string) => sessions.keep(key, userId, refreshToken);
    keep(session.refreshToken);
    return loginOf(api, userId, session, wall, {
      onRefresh: keep,
      // A session ends after a month, however often it is refreshed.
      logInAgain: async () => (await api.identity.login(credentials)).session!,
    });
  };

  return {
    enter,
    enterDriver: async (who, { admin, cityId, number }) => {
      const login = await enter(who, Role.DRIVER);
      const { userId: driverId } = login;
      const asked = login.api.driver.getDriver({ driverId }, await login.options());
      const known = (await unless(Code.NotFound, asked))?.driver;
      const status = known?.onboardingStatus ?? OnboardingStatus.APPLIED;
      // Who was rejected or suspended meanwhile stays so.
      if (status === OnboardingStatus.APPLIED || status === OnboardingStatus.IN_REVIEW) {
        const plate = `DEMO${String(number).padStart(3, "0")}`;
        await onboardDriver(login, admin, { cityId, plate, number, known }, time);
      }
      return login;
    },
  };
}

interface Opened {
  userId: string;
  session: Session;
}

/** The answer; undefined where it is this code. */
async function unless<T>(code: Code, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ConnectError && error.code === code) return undefined;
    throw error;
  }
}
