/** The gateway's upstream over grpc-js, for comparison; unary calls only. */
import { Client, Metadata } from "@grpc/grpc-js";
import type { DescMethod } from "@bufbuild/protobuf";
import type { WallClock } from "../../../services/runtime/clock.js";
import {
  isRepeatable,
  policyOf,
  rpcPath,
  serviceNameOf,
} from "../../../services/runtime/contract.js";
import { createGuard, retrying, type Guard } from "../../../services/runtime/guard.js";
import type { Logger } from "../../../services/runtime/log.js";
import { fromServiceError } from "../../../services/runtime/status.js";
import { channelCredentials, type TlsIdentity } from "../../../services/runtime/tls.js";
import type { Upstream, UpstreamCall } from "../../upstream.js";

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const same = (bytes: Buffer): Buffer => bytes;

/** Connects to services as they are needed. */
export function createGrpcJsUpstream(options: {
  address: (service: string) => string;
  identity: TlsIdentity;
  wall: WallClock;
  log: Logger;
}): Upstream {
  const { wall } = options;
  const targets = new Map<string, { client: Client; guard: Guard }>();
  const targetOf = (method: DescMethod) => {
    const service = serviceNameOf(method);
    let target = targets.get(service);
    if (!target) {
      const client = new Client(options.address(service), channelCredentials(options.identity), {
        "grpc.ssl_target_name_override": service,
        "grpc.enable_retries": 0,
        "grpc.service_config_disable_resolution": 1,
      });
      target = { client, guard: createGuard(service, options.log) };
      targets.set(service, target);
    }
    return target;
  };
  const call = (
    client: Client,
    method: DescMethod,
    request: Uint8Array,
    { headers }: UpstreamCall,
    deadlineMs: number,
  ) =>
    new Promise<Uint8Array>((resolve, reject) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      client.makeUnaryRequest(
        rpcPath(method),
        asBuffer,
        same,
        request,
        metadata,
        { deadline: deadlineMs },
        (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer!)),
      );
    });
  const unmeasured = (): never => {
    throw new Error("streams are not measured");
  };
  return {
    unary: (method, request, about) => {
      const { client, guard } = targetOf(method);
      const deadlineMs = wall.now().getTime() + policyOf(method).deadlineMs;
      const attempt = () => guard(() => call(client, method, request, about, deadlineMs));
      const { signal } = about;
      return isRepeatable(method) ? retrying(attempt, { wall, deadlineMs, signal }) : attempt();
    },
    serverStream: unmeasured,
    clientStream: unmeasured,
    stop: () => {
      for (const { client } of targets.values()) client.close();
      return Promise.resolve();
    },
  };
}
