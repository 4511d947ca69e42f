/** A service as a process of its own, started by its main.ts, for tests that signal or kill it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestHost } from "./host.js";

export interface ChildService {
  pid: number;
  port: number;
  metricsPort: number;
  /** What it has written so far: log lines, and errors. */
  output: () => string;
  signal: (name: NodeJS.Signals) => void;
  /** Resolves when it has ended. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** The environment that the service's main.ts needs on this host. */
export async function childEnvironment(
  testHost: TestHost,
  name: string,
  neighbours: string[] = [],
): Promise<Record<string, string>> {
  const { host } = testHost;
  const folder = join(host.dataDir, `process-of-${name}`);
  await mkdir(folder, { recursive: true });
  const { cert, key, ca } = host.identity(name);
  const files = { cert: join(folder, "cert"), key: join(folder, "key"), ca: join(folder, "ca") };
  await Promise.all([
    writeFile(files.cert, cert),
    writeFile(files.key, key, { mode: 0o600 }),
    writeFile(files.ca, ca),
  ]);
  const addresses = ["identity", ...neighbours].map((one) => `${one}=${host.address(one)}`);
  return {
    DATABASE_URL: host.database.url(name),
    DATABASE_OWNER_URL: host.database.ownerUrl,
    BUS_DATABASE_URL: testHost.busUrl,
    TLS_CERT_FILE: files.cert,
    TLS_KEY_FILE: files.key,
    TLS_CA_FILE: files.ca,
    LISTEN_HOST: "127.0.0.1",
    LISTEN_PORT: "0",
    METRICS_PORT: "0",
    SERVICE_ADDRESSES: addresses.join(","),
    DATA_KEYS: `test:${Buffer.alloc(32, 7).toString("base64")}`,
    DATA_DIR: folder,
    LOG_LEVEL: "info",
  };
}

/** Starts `services/<name>/main.ts`; resolves when it serves. Killed with the host at the latest. */
export async function startChildService(
  testHost: TestHost,
  name: string,
  env: Record<string, string>,
): Promise<ChildService> {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, ["--import", "tsx", `services/${name}/main.ts`], {
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = once(child, "exit").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  const serving = new Promise<{ port: number; metrics_port: number }>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      output += `${line}\n`;
      const entry = line.startsWith("{") ? (JSON.parse(line) as Record<string, unknown>) : {};
      if (entry["msg"] === "serving") resolve(entry as { port: number; metrics_port: number });
    });
  });
  const failed = ended.then(({ code, signal }) => {
    throw new Error(`${name} ended with ${code ?? signal} before it served:\n${output}`);
  });
  failed.catch(() => undefined);
  const { port, metrics_port: metricsPort } = await Promise.race([serving, failed]);
  testHost.started({
    name,
    port,
    check: () => Promise.resolve(),
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  });
  return {
    pid: child.pid!,
    port,
    metricsPort,
    output: () => output,
    signal: (signal) => child.kill(signal),
    ended,
  };
}
