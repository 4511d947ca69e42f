/**
 * A platform to be killed: in a process of its own, over a data folder that outlives it. Who starts it
 * again finds its people and rides where they were, and the domain clock as if it had never stopped.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import {
  addSeconds,
  steerableClock,
  wallClock,
  type DomainClock,
} from "../../services/runtime/clock.js";
import type { Runnable } from "../../services/runtime/lifecycle.js";
import { silentLogger } from "../../services/runtime/log.js";
import { createPool, type Pool } from "../../services/runtime/postgres.js";
import { clearLeftover, readPidFile } from "../../services/standalone/postgres-leftover.js";
import { waitUntilGone } from "../../services/standalone/processes.js";
import type {
  SimulationCommand,
  SimulationMessage,
  SimulationOptions,
} from "../../services/standalone/simulation.js";
import { temporaryParent } from "../../services/testing/temporary-folder.js";
import { createPeople, type People, type Person } from "./people.js";
import { staffEmail, staffPassword, type TestPlatform } from "./platform.js";
import { createRides, type Rides } from "./rides.js";
import { connectWire, type Wire } from "./wire.js";

export interface MortalPlatform extends Runnable, Pick<TestPlatform, "sql"> {
  /** Those who call it, whichever process answers. */
  people: People;
  rides: Rides;
  admin: Person;
  clock: DomainClock;
  /** Lets so many seconds of domain time pass at once. */
  advance(seconds: number): Promise<void>;
  /** The database as its superuser. */
  databaseUrl(): string;
  /** Ends it by SIGKILL, and its PostgreSQL too or not; that then goes on answering `sql`. */
  kill(options: { withPostgres: boolean }): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
  /** What it has logged as an error, in all its lives. */
  errors(): Promise<string[]>;
  /** Ends it for good, alive or not, and removes its data. */
  stop(): Promise<void>;
}

/** The platform between a start and a kill. */
interface Life {
  child: ChildProcess;
  ended: Promise<unknown>;
  wire: Wire;
  pool: Pool;
  ready: Of<"ready">;
}

type Of<Kind extends SimulationMessage["kind"]> = Extract<SimulationMessage, { kind: Kind }>;

const program = fileURLToPath(new URL("../../services/standalone/simulation.ts", import.meta.url));

/** Starts one over a new folder, with the staff that the helpers of this folder count on. */
export async function startMortalPlatform(): Promise<MortalPlatform> {
  const dataDir = await mkdtemp(join(await temporaryParent(), "ridemesh-mortal-"));
  const cluster = join(dataDir, "data", "postgres");
  const course = { originMs: wallClock.now().getTime(), wallOriginMs: wallClock.now().getTime() };
  const clock = steerableClock(wallClock);
  let life: Life | undefined;

  const living = (): Life => {
    if (!life) throw new Error("the platform does not live");
    return life;
  };
  const set = (origin: Date): void => {
    const wallOrigin = wallClock.now();
    clock.steer({ origin, rate: 1, wallOrigin });
    Object.assign(course, { originMs: origin.getTime(), wallOriginMs: wallOrigin.getTime() });
  };
  set(wallClock.now());

  const advance = async (seconds: number): Promise<void> => {
    const { child } = living();
    set(addSeconds(clock.now(), seconds));
    const steered = hear(child, "steered");
    child.send({ kind: "steer", rate: 1, ...course } satisfies SimulationCommand);
    await steered;
  };

  const start = async (): Promise<void> => {
    await life?.pool.end();
    life = undefined;
    const options: SimulationOptions = { dataDir, course };
    const child = fork(program, [JSON.stringify(options)], {
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const ended = once(child, "exit");
    const ready = await hear(child, "ready").catch(async (error: unknown) => {
      child.kill("SIGKILL");
      await ended;
      throw error;
    });
    const url = ready.databaseUrl;
    life = {
      child,
      ended,
      wire: connectWire(ready.url, "binary"),
      pool: createPool({ url, max: 4, name: "crash-test", log: silentLogger }),
      ready,
    };
  };

  const stop = async (): Promise<void> => {
    if (life) {
      await life.wire.stop();
      await life.pool.end();
      if (life.child.connected) life.child.disconnect();
      if (isAlive(life.child)) await life.ended;
    }
    // What a test that failed after a kill leaves behind.
    await clearLeftover(cluster, { wall: wallClock, log: silentLogger });
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };

  const people = createPeople(
    { clock },
    { unary: (method, as, request, given) => living().wire.unary(method, as, request, given) },
  );
  try {
    await start();
    const admin = await hireStaff(people, living().ready.admin);
    return {
      people,
      rides: createRides({ advance }, people),
      admin,
      clock,
      advance,
      databaseUrl: () => living().ready.databaseUrl,
      sql: async <R extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
        (await living().pool.query<R>(text, values)).rows,
      kill: async ({ withPostgres }) => {
        const { child, ended, wire } = living();
        const server = (await readPidFile(cluster))!.pid;
        child.kill("SIGKILL");
        if (withPostgres) process.kill(server, "SIGKILL");
        await Promise.all([ended, wire.stop()]);
        const timeoutMs = withPostgres ? 5000 : 0;
        if ((await waitUntilGone(server, { timeoutMs, wall: wallClock })) !== withPostgres) {
          throw new Error(`PostgreSQL ${withPostgres ? "lives on" : "has ended with node"}`);
        }
      },
      start,
      errors: () => errorsIn(join(dataDir, "ridemesh.log")),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** The next message of a kind; rejects when the process cannot start, or ends before it says so. */
function hear<Kind extends SimulationMessage["kind"]>(
  child: ChildProcess,
  kind: Kind,
): Promise<Of<Kind>> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`the platform ended before it was ${kind}`));
    const listen = (message: SimulationMessage): void => {
      if (message.kind === "failed") reject(new Error(message.message));
      if (message.kind !== kind) return;
      child.off("message", listen).off("exit", fail);
      resolve(message as Of<Kind>);
    };
    child.on("message", listen).once("exit", fail);
  });
}

/** Support's account, which the helpers look around with, made by the admin who is there; gives him. */
async function hireStaff(people: People, own: Of<"ready">["admin"]): Promise<Person> {
  const { operator: tenantId, email, password } = own;
  const admin = await people.logIn({ tenantId, email, password });
  await people.call(IdentityService.method.createUser, admin, {
    email: staffEmail(tenantId, "support"),
    password: staffPassword,
    displayName: "Support",
    roles: [Role.SUPPORT],
  });
  return admin;
}

/** The lines of a log that tell of errors. */
async function errorsIn(file: string): Promise<string[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
  return lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
}
