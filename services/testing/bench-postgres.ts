/**
 * PostgreSQL for benchmarks, on the disk: as `npm start` runs it, with durable settings, or with those
 * of tests, which are faster and lose data when the machine stops.
 */
import { mkdtemp, readFile, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../runtime/log.js";
import { startEmbeddedPostgres } from "../standalone/postgres.js";

export interface BenchPostgres {
  superuserUrl: string;
  /** Processor time of the server and its sessions so far, the ended ones included, in seconds. */
  cpuSeconds(): Promise<number>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
}

/** Starts a server of its own in the system's temporary folder. */
export async function startBenchPostgres(
  settings: "durable" | "test" = "durable",
): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), "ridemesh-bench-"));
  const postgres = await startEmbeddedPostgres({
    dataDir: folder,
    settings,
    log: silentLogger,
  });
  return {
    superuserUrl: postgres.superuserUrl,
    cpuSeconds: () => familyCpuSeconds(postgres.pid),
    stop: async () => {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Linux counts in hundredths of a second. */
const ticksPerSecond = 100;

/**
 * Processor time of a process and its children so far, the ended ones included, in seconds. Zero where
 * there is no /proc.
 */
export async function familyCpuSeconds(pid: number): Promise<number> {
  let ticks = 0;
  for (const entry of await readdir("/proc").catch(() => [])) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const text = await readFile(`/proc/${entry}/stat`, "latin1").catch(() => "");
    // After the name, which may hold anything: state, parent, …, user, system, children's times.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const own = Number(entry) === pid;
    if (!own && Number(fields[1]) !== pid) continue;
    const used = fields.slice(11, own ? 15 : 13).map(Number);
    ticks += used.reduce((sum, value) => sum + value, 0);
  }
  return ticks / ticksPerSecond;
}
