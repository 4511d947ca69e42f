/** What the platform and the thread of its gateway say to each other. */
import type { GatewayConfig } from "../../gateway/config.js";
import type { DemoLogin } from "../../gateway/pages.js";
import type { LogOptions } from "../runtime/log.js";
import type { Figures } from "../runtime/metrics.js";
import type { TlsIdentity } from "../runtime/tls.js";

/** All that the gateway needs to open; passed by copy. */
export interface GatewaySetup {
  config: GatewayConfig;
  identity: TlsIdentity;
  /** Where the services answer, by name, as host:port. */
  addresses: Record<string, string>;
  /** What its health speaks of; the platform is asked how each is. */
  checks: { name: string; critical: boolean }[];
  demo: DemoLogin | undefined;
  log: LogOptions;
}

/** A system error's facts, which a copy of the error itself would lose. */
export interface Failure {
  message: string;
  code: string | undefined;
  syscall: string | undefined;
}

/** To the gateway. What has an id is an answer, or wants one. */
export type ToGateway =
  | { kind: "open"; setup: GatewaySetup }
  | { kind: "checked"; id: number; failure: string | undefined }
  | { kind: "metrics"; id: number }
  | { kind: "stop" };

/** From the gateway. */
export type FromGateway =
  | { kind: "opened"; port: number }
  | { kind: "failed"; failure: Failure }
  | { kind: "check"; id: number; name: string }
  | { kind: "metrics"; id: number; figures: Figures }
  | { kind: "stopped" };
