/** Services as callers: calls straight to a service's own port over mTLS, past the gateway. */
import { toBinary, create, fromBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { createChannel, type Channel } from "../../services/runtime/client.js";
import { wallClock } from "../../services/runtime/clock.js";
import { rpcPath, serviceNameOf } from "../../services/runtime/contract.js";
import { stopAll, type Runnable } from "../../services/runtime/lifecycle.js";
import { silentLogger } from "../../services/runtime/log.js";
import { fromServiceError } from "../../services/runtime/status.js";
import type { TlsIdentity } from "../../services/runtime/tls.js";
import { serviceNames } from "../../services/standalone/platform.js";
import type { TestPlatform } from "./platform.js";
import type { Bearer } from "./wire.js";

/** Everyone with a certificate of our authority: the services, the gateway, and one that is none. */
export const peerNames: readonly string[] = [...serviceNames, "gateway", "stranger"];

/** How long a stream must have been open to count as granted, in milliseconds. */
const openMs = 300;

export interface Peers extends Runnable {
  /**
   * Calls a method as a service. Of a stream only the beginning is awaited: its first message, or
   * undefined when it stays open without one. Rejects with a StatusError.
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    as: string,
    request: MessageInitShape<I>,
    bearer?: Bearer,
  ): Promise<MessageShape<O> | undefined>;
}

/** Makes the callers; `identityOf` gives what each shows. */
export async function createPeers(platform: TestPlatform): Promise<Peers> {
  const issued = await Promise.all(
    peerNames.map(async (service) => {
      const identity = await platform.authority.issue({ service, now: wallClock.now() });
      return [service, identity] as const;
    }),
  );
  const identities = new Map<string, TlsIdentity>(issued);
  const channels = new Map<string, Channel>();
  const channelOf = (service: string, as: string): Channel => {
    const key = `${as} to ${service}`;
    let channel = channels.get(key);
    if (!channel) {
      channel = createChannel({
        service,
        address: () => platform.address(service),
        identity: identities.get(as)!,
        wall: wallClock,
        log: silentLogger,
      });
      channels.set(key, channel);
    }
    return channel;
  };
  return {
    call: (method, as, request, bearer) => {
      const { grpc } = channelOf(serviceNameOf(method), as);
      const bytes = Buffer.from(toBinary(method.input, create(method.input, request)));
      const metadata = new Metadata();
      // As the gateway says it: where there is no token, it tells the operator.
      metadata.set("x-forwarded-host", "127.0.0.1");
      if (bearer) metadata.set("authorization", `Bearer ${bearer.token}`);
      return new Promise((resolve, reject) => {
        const path = rpcPath(method);
        const same = (value: Buffer) => value;
        const done = (answer: Buffer | undefined) =>
          resolve(answer && fromBinary(method.output, answer));
        const answered = (error: ServiceError | null, answer?: Buffer) =>
          error ? reject(fromServiceError(error)) : done(answer);
        switch (method.methodKind) {
          case "unary":
            grpc.makeUnaryRequest(path, same, same, bytes, metadata, answered);
            return;
          case "client_streaming":
            grpc.makeClientStreamRequest(path, same, same, metadata, answered).end(bytes);
            return;
          case "server_streaming": {
            const call = grpc.makeServerStreamRequest(path, same, same, bytes, metadata);
            const settle = (answer?: Buffer) => {
              done(answer);
              call.cancel();
            };
            call.once("data", settle);
            call.once("end", () => settle());
            call.on("error", (error: ServiceError) => reject(fromServiceError(error)));
            void wallClock.sleep(openMs).then(() => settle());
            return;
          }
          case "bidi_streaming":
            reject(new Error("two-way streams are not served"));
            return;
          default:
            method.methodKind satisfies never;
        }
      });
    },
    stop: () => stopAll([...channels.values()]),
  };
}
