/** The compared gateway in a process of its own: NestJS on Fastify. */
import { runChild } from "../child.js";
import type { TlsIdentity } from "../../../services/runtime/tls.js";
import type { Keys } from "../people.js";
import type { Addresses } from "../service/main.js";
import { verifierOf } from "../verifiers.js";
import { startNest } from "./app.js";

/** What the process is given. */
export interface NestSetup {
  identity: TlsIdentity;
  addresses: Addresses;
  keys: Keys;
  remembers: boolean;
}

runChild<NestSetup>(process, async ({ identity, addresses, keys, remembers }) => {
  const app = await startNest({ identity, addresses, verifier: verifierOf(keys, remembers) });
  return { ready: { port: app.port }, stop: app.stop };
});
