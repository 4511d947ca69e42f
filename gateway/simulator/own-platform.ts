/** A platform of the replay's own, in a process beside it. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Credentials } from "./api.js";
import type { Course } from "./domain-time.js";

/** What the simulation process answers; its own file says the same. */
type Message =
  | { kind: "ready"; url: string; databaseUrl: string; admin: Credentials }
  | { kind: "steered"; originMs: number; wallOriginMs: number }
  | { kind: "usage"; platformCpuSeconds: number; postgresCpuSeconds: number; peakRssBytes: number }
  | { kind: "failed"; message: string };
type Of<Kind extends Message["kind"]> = Extract<Message, { kind: Kind }>;

/** Sets the domain clock; without an origin it goes on from what it shows. */
export type Steer = (course: { origin?: Date; rate: number }) => Promise<Course>;

export interface OwnPlatform {
  url: string;
  databaseUrl: string;
  admin: Credentials;
  /** Sets the domain clock, or lets it go on at another rate where no origin is given. */
  steer: Steer;
  usage(): Promise<Of<"usage">>;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL("../../services/standalone/simulation.ts", import.meta.url));

/** Starts it; rejects with its own words when it cannot start. */
export async function startOwnPlatform(): Promise<OwnPlatform> {
  const child = fork(program, [], {
    // A young generation that short-lived messages fit into: less is copied.
    execArgv: ["--max-semi-space-size=64", "--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const waiting = new Map<Message["kind"], (message: never) => void>();
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined);
  child.on("message", (message: Message) => {
    if (message.kind === "failed") fail(new Error(message.message));
    else waiting.get(message.kind)?.(message as never);
  });
  void ended.then(() => fail(new Error("the replay's platform has ended")));
  const hear = <Kind extends Message["kind"]>(kind: Kind): Promise<Of<Kind>> =>
    Promise.race([new Promise<Of<Kind>>((resolve) => waiting.set(kind, resolve as never)), failed]);

  const ready = await hear("ready");
  return {
    url: ready.url,
    databaseUrl: ready.databaseUrl,
    admin: ready.admin,
    steer: async ({ origin, rate }) => {
      const steered = hear("steered");
      child.send({ kind: "steer", ...(origin ? { originMs: origin.getTime() } : {}), rate });
      const { originMs, wallOriginMs } = await steered;
      return { origin: new Date(originMs), wallOrigin: new Date(wallOriginMs), rate };
    },
    usage: () => {
      const answer = hear("usage");
      child.send({ kind: "usage" });
      return answer;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
