/** `npm run replay`: real demand through the public API. */
import { constants } from "node:os";
import { wallClock } from "../../services/runtime/clock.js";
import { unlessAborted } from "../../services/runtime/lifecycle.js";
import { createApiPool } from "./api.js";
import { auditDatabase } from "./audit.js";
import { remoteAdmin } from "./config.js";
import { SAMPLE_TRIPS_FILE, ZONES_FILE } from "./data-files.js";
import { foldDay } from "./demand.js";
import { followDomainClock } from "./domain-time.js";
import { InputError } from "./input-error.js";
import { startOwnPlatform } from "./own-platform.js";
import { createProgress } from "./progress.js";
import {
  parseReplayOptions,
  REPLAY_HELP,
  speedConflict,
  type ReplayOptions,
} from "./replay-options.js";
import { runReplay } from "./replay-run.js";
import { buildResult, formatJson, formatTable } from "./report.js";
import { readTrips } from "./trips-file.js";
import { readZones } from "./zones-file.js";

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseReplayOptions(argv);
  if (parsed.kind === "help") {
    print(REPLAY_HELP);
    return 0;
  }
  if (parsed.kind === "error") throw new InputError(parsed.error);
  return play(parsed.options);
}

async function play(options: ReplayOptions): Promise<number> {
  const wall = wallClock;
  const zones = await readZones(ZONES_FILE);
  const file = await readTrips(options.file ?? SAMPLE_TRIPS_FILE, zones);
  const { window, limit } = options;
  const demand = foldDay(file.trips, { window, ...(limit === undefined ? {} : { limit }) });

  const own = options.url === undefined ? await startOwnPlatform() : undefined;
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () =>
      interrupted.abort(new Interruption(128 + constants.signals[signal])),
    );
  }
  const progress = createProgress(process.stderr);
  try {
    const url = own?.url ?? options.url!;
    let { speed } = options;
    if (!own) {
      const { rate } = await followDomainClock(createApiPool(url).api(), wall);
      const conflict = speedConflict(options.speed, rate);
      if (conflict) throw new InputError(conflict);
      speed = rate;
    }
    const beforeUsage = await own?.usage();
    const beforeCpu = process.cpuUsage();
    const replay = runReplay({
      url,
      admin: own?.admin ?? (await remoteAdmin()),
      demand,
      window,
      zones,
      drivers: options.drivers,
      seed: options.seed,
      wall,
      steer: own?.steer,
      speed,
      progress: progress.show,
      signal: interrupted.signal,
    });
    const seen = await unlessAborted(replay, interrupted.signal);
    progress.clear();
    const usage = await own?.usage();
    const ownCpu = process.cpuUsage(beforeCpu);
    const databaseUrl = options.databaseUrl ?? own?.databaseUrl;
    const audit = databaseUrl === undefined ? null : await auditDatabase(databaseUrl);
    const result = buildResult({
      rides: seen.rides,
      rows: { read: file.rowsRead, bad: file.bad, skipped: file.skipped },
      leftOutRows: demand.leftOut,
      wallSeconds: seen.wallSeconds,
      speed: seen.speed,
      audit,
      events: audit?.events ?? null,
      peakRssBytes: usage?.peakRssBytes ?? null,
      cpuSeconds:
        usage && beforeUsage
          ? {
              platform: usage.platformCpuSeconds - beforeUsage.platformCpuSeconds,
              postgres: usage.postgresCpuSeconds - beforeUsage.postgresCpuSeconds,
              simulator: (ownCpu.user + ownCpu.system) / 1e6,
            }
          : {},
      unexpectedAnswers: seen.unexpectedAnswers,
    });
    print(options.json ? formatJson(result) : formatTable(result));
    const sound =
      result.trips_stuck === 0 &&
      (result.double_assignments ?? 0) === 0 &&
      Object.values(result.ledger_imbalance_minor ?? {}).every((left) => left === 0);
    return sound ? 0 : 1;
  } finally {
    progress.clear();
    await own?.stop();
  }
}

/** A person has had enough, and is told nothing more. */
class Interruption extends Error {
  constructor(readonly exitCode: number) {
    super("interrupted");
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Interruption) process.exitCode = error.exitCode;
  else {
    const known = error instanceof InputError;
    const text = known ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`replay: ${text}\n`);
    process.exitCode = known ? 2 : 1;
  }
}
process.exit();
