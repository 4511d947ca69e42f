/** Settings of a process that runs one service, from its environment. */
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import type { DataKey } from "./secrets.js";
import type { TlsIdentity } from "./tls.js";

export type Environment = Record<string, string | undefined>;

export interface ProcessConfig {
  databaseUrl: string;
  databaseOwnerUrl: string;
  busDatabaseUrl: string;
  databasePoolSize: number;
  identity: TlsIdentity;
  listen: { host: string; port: number };
  /** host:port by service. */
  addresses: ReadonlyMap<string, string>;
  dataKeys: [DataKey, ...DataKey[]];
  dataDir: string;
  logLevel: string;
  metricsPort: number;
  domainClock: { rate: number; origin?: Date; wallOrigin?: Date };
  version: string;
}

/** What a process cannot start with: everything that is missing or wrong, a line each. */
export class ConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(`the configuration is not complete:\n${problems.map((p) => `  ${p}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

/** The process's environment. Everything else gets it as an argument. */
export function environment(): Environment {
  return process.env;
}

const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/**
 * Reads DATABASE_URL (the service's own role), DATABASE_OWNER_URL (for migrations), BUS_DATABASE_URL,
 * DATABASE_POOL_SIZE (5), TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE (PEM), LISTEN_HOST (0.0.0.0),
 * LISTEN_PORT, SERVICE_ADDRESSES ("trip=host:port,…"), DATA_KEYS ("id:base64,…", newest first),
 * DATA_DIR (.ridemesh), LOG_LEVEL (info), METRICS_PORT (9464; 0 takes a free one), DOMAIN_CLOCK_RATE
 * (1), DOMAIN_CLOCK_ORIGIN and DOMAIN_CLOCK_WALL_ORIGIN (RFC 3339), RIDEMESH_VERSION (as health shows
 * it).
 *
 * @throws ConfigError that names every variable which is missing or wrong.
 */
export function processConfig(env: Environment): ProcessConfig {
  const problems: string[] = [];
  /** Notes a problem, and goes on with something of the right type that is never used. */
  const wrong = <T>(name: string, what: string, placeholder: T): T => {
    problems.push(`${name} ${what}`);
    return placeholder;
  };
  const read = <T>(
    name: string,
    options: { fallback?: T; placeholder: T; parse: (text: string) => T },
  ): T => {
    const text = env[name];
    if (text === undefined || text === "") {
      return options.fallback ?? wrong(name, "is missing", options.placeholder);
    }
    try {
      return options.parse(text);
    } catch (error) {
      return wrong(
        name,
        error instanceof Error ? error.message : String(error),
        options.placeholder,
      );
    }
  };
  const text = (name: string, parse: (value: string) => string, fallback?: string) =>
    read(name, { fallback, placeholder: "", parse });
  const integer = (name: string, least: number, most: number, fallback?: number) =>
    read(name, { fallback, placeholder: 0, parse: (value) => wholeNumber(value, least, most) });
  const time = (name: string) =>
    env[name] ? read(name, { placeholder: new Date(0), parse: rfc3339 }) : undefined;

  const config: ProcessConfig = {
    databaseUrl: text("DATABASE_URL", postgresUrl),
    databaseOwnerUrl: text("DATABASE_OWNER_URL", postgresUrl),
    busDatabaseUrl: text("BUS_DATABASE_URL", postgresUrl),
    // One connection sends the outbox; the others serve.
    databasePoolSize: integer("DATABASE_POOL_SIZE", 2, 200, 5),
    identity: {
      cert: text("TLS_CERT_FILE", pem("CERTIFICATE")),
      key: text("TLS_KEY_FILE", pem("PRIVATE KEY")),
      ca: text("TLS_CA_FILE", pem("CERTIFICATE")),
    },
    listen: {
      host: text("LISTEN_HOST", (value) => value, "0.0.0.0"),
      port: integer("LISTEN_PORT", 0, 65_535),
    },
    addresses: read("SERVICE_ADDRESSES", { placeholder: noAddresses, parse: serviceAddresses }),
    dataKeys: read("DATA_KEYS", { placeholder: [noKey], parse: dataKeys }),
    dataDir: read("DATA_DIR", { fallback: ".ridemesh", placeholder: "", parse: writableFolder }),
    logLevel: text("LOG_LEVEL", oneOf(logLevels), "info"),
    metricsPort: integer("METRICS_PORT", 0, 65_535, 9464),
    domainClock: {
      rate: read("DOMAIN_CLOCK_RATE", { fallback: 1, placeholder: 1, parse: positiveNumber }),
      origin: time("DOMAIN_CLOCK_ORIGIN"),
      wallOrigin: time("DOMAIN_CLOCK_WALL_ORIGIN"),
    },
    version: env["RIDEMESH_VERSION"] || "0.1.0",
  };
  const { rate, origin, wallOrigin } = config.domainClock;
  if ((rate !== 1 || origin || wallOrigin) && !(origin && wallOrigin)) {
    problems.push(
      "DOMAIN_CLOCK_ORIGIN and DOMAIN_CLOCK_WALL_ORIGIN go together, and with DOMAIN_CLOCK_RATE: " +
        "without both, every process would show another time",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** LOG_LEVEL alone, for a process that has no other settings of these. Throws ConfigError. */
export function logLevelOf(env: Environment): string {
  const level = env["LOG_LEVEL"] || "info";
  if (logLevels.includes(level)) return level;
  throw new ConfigError([`LOG_LEVEL is "${level}", not one of ${logLevels.join(", ")}`]);
}

const noAddresses: ReadonlyMap<string, string> = new Map();
const noKey: DataKey = { id: "", key: Buffer.alloc(0) };

function postgresUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text may hold a password: it is not repeated.
  if (url?.protocol !== "postgres:" && url?.protocol !== "postgresql:") {
    throw new Error("is not a postgres:// URL");
  }
  if (!url.username || url.pathname.length < 2) throw new Error("names no user or no database");
  return text;
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`is "${text}", not a whole number from ${least} to ${most}`);
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`is "${text}", not a positive number`);
}

function rfc3339(text: string): Date {
  const value = new Date(text);
  if (/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(value.getTime())) {
    return value;
  }
  throw new Error(`is "${text}", not a time such as 2026-01-31T08:00:00Z`);
}

function oneOf(known: string[]): (text: string) => string {
  return (text) => {
    if (known.includes(text)) return text;
    throw new Error(`is "${text}", not one of ${known.join(", ")}`);
  };
}

function pem(label: string): (path: string) => string {
  return (path) => {
    let content: string;
    try {
      content = readFileSync(path, "utf8");
    } catch (error) {
      throw new Error(`names ${path}, which cannot be read (${codeOf(error)})`, { cause: error });
    }
    if (content.includes(`${label}-----`)) return content;
    throw new Error(`names ${path}, which holds no PEM ${label}`);
  };
}

function serviceAddresses(text: string): ReadonlyMap<string, string> {
  const entries = text.split(",").map((part) => {
    const [, service, address] = /^\s*([a-z][a-z0-9-]*)=(\S+:\d{1,5})\s*$/.exec(part) ?? [];
    if (!service || !address) throw new Error(`has "${part}", not service=host:port`);
    return [service, address] as const;
  });
  const addresses = new Map(entries);
  if (addresses.size < entries.length) throw new Error("names a service twice");
  if (!addresses.has("identity")) {
    throw new Error("names no identity, whose keys every service needs");
  }
  return addresses;
}

function dataKeys(text: string): [DataKey, ...DataKey[]] {
  // Keys are not repeated in messages.
  const keys = text.split(",").map((part, i) => {
    const [, id, base64] = /^\s*([\w.-]{1,64}):([A-Za-z0-9+/]+=*)\s*$/.exec(part) ?? [];
    if (!id || !base64) throw new Error(`is not id:base64,… at key ${i + 1}`);
    const key = Buffer.from(base64, "base64");
    if (key.length !== 32) throw new Error(`has a key ${id} of ${key.length} bytes, not 32`);
    return { id, key };
  });
  if (new Set(keys.map((key) => key.id)).size < keys.length) throw new Error("has an id twice");
  return keys as [DataKey, ...DataKey[]];
}

function writableFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return path;
  } catch (error) {
    throw new Error(`names ${path}, which cannot be written to (${codeOf(error)})`, {
      cause: error,
    });
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/**
 * What OpenTelemetry's own variables ask for, in a process that may export traces: undefined when that
 * is nothing. Traces are asked for by naming an exporter (OTEL_TRACES_EXPORTER other than "none") or a
 * place to send them to (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), unless
 * OTEL_SDK_DISABLED is "true". The SDK itself reads these and all its others.
 */
export function telemetryConfig(env: Environment): { serviceName?: string } | undefined {
  const exporter = env["OTEL_TRACES_EXPORTER"];
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  const disabled = env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true";
  if (disabled || exporter === "none" || !(exporter || endpoint)) return undefined;
  const isNamed =
    env["OTEL_SERVICE_NAME"] ||
    /(^|,)\s*service\.name=/.test(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "");
  return isNamed ? {} : { serviceName: "ridemesh" };
}
