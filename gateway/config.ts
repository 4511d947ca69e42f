/** Settings of the gateway. */
import { readFileSync } from "node:fs";
import type { LimitConfig } from "./limits.js";

export interface GatewayConfig {
  host: string;
  port: number;
  tls: { key: string; cert: string } | undefined;
  limits: LimitConfig;
  /** Origins whose pages may call; "*" is any: calls carry tokens, never cookies. */
  corsOrigins: string[];
  trustedProxies: number;
  version: string;
}

/** The settings that hold when nothing else is said. */
export const defaultGatewayConfig: GatewayConfig = {
  host: "0.0.0.0",
  port: 8080,
  tls: undefined,
  limits: { perMinute: 100, burst: 40 },
  corsOrigins: ["*"],
  trustedProxies: 0,
  version: "0.1.0",
};

/**
 * From the environment: RIDEMESH_HOST, RIDEMESH_PORT, RIDEMESH_TLS_KEY_FILE and
 * RIDEMESH_TLS_CERT_FILE, RIDEMESH_RATE_PER_MINUTE (0: no limits), RIDEMESH_RATE_BURST,
 * RIDEMESH_CORS_ORIGINS (comma-separated), RIDEMESH_TRUSTED_PROXIES. Throws on what is not sound.
 */
export function gatewayConfig(env: Record<string, string | undefined>): GatewayConfig {
  const defaults = defaultGatewayConfig;
  const number = (name: string, fallback: number): number => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0)
      throw new Error(`${name}: "${text}" is not a number`);
    return value;
  };
  const keyFile = env["RIDEMESH_TLS_KEY_FILE"];
  const certFile = env["RIDEMESH_TLS_CERT_FILE"];
  if (Boolean(keyFile) !== Boolean(certFile)) {
    throw new Error("RIDEMESH_TLS_KEY_FILE and RIDEMESH_TLS_CERT_FILE go together");
  }
  return {
    host: env["RIDEMESH_HOST"] || defaults.host,
    port: number("RIDEMESH_PORT", defaults.port),
    tls:
      keyFile && certFile
        ? { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") }
        : undefined,
    limits: {
      perMinute: number("RIDEMESH_RATE_PER_MINUTE", defaults.limits.perMinute),
      burst: number("RIDEMESH_RATE_BURST", defaults.limits.burst),
    },
    corsOrigins:
      env["RIDEMESH_CORS_ORIGINS"]?.split(",").map((o) => o.trim()) ?? defaults.corsOrigins,
    trustedProxies: number("RIDEMESH_TRUSTED_PROXIES", defaults.trustedProxies),
    version: defaults.version,
  };
}
