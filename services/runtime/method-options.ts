/** What the contract says about one method. Works on any descriptors: those of gen/es, and a plugin's. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { MethodPolicy } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { optionOf } from "./options.js";

const policies = new WeakMap<DescMethod, MethodPolicy>();

/**
 * The method's policy. Throws when it declares none; that a policy holds together is seen to before
 * anything is generated from it.
 */
export function policyOf(method: DescMethod): MethodPolicy {
  let policy = policies.get(method);
  if (!policy) {
    policy = optionOf(method, "ridemesh.options.v1.policy");
    if (!policy) throw new Error(`${rpcName(method)} declares no policy`);
    policies.set(method, policy);
  }
  return policy;
}

/** Whether people call it, through the gateway; else services do. */
export function isExternal(method: DescMethod): boolean {
  return policyOf(method).access !== undefined;
}

/** Whether nothing changes by calling it. */
export function isReadOnly(method: DescMethod): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** Idempotency.KEY and NATURAL, by number: the enum itself is in gen/es, which a plugin cannot load. */
const repeatable: readonly number[] = [1, 2];

/** Whether calling it twice is calling it once, so that a client may try again. */
export function isRepeatable(method: DescMethod): boolean {
  return isReadOnly(method) || repeatable.includes(policyOf(method).idempotency);
}

/** The service that answers: "trip" for ridemesh.trip.v1.TripService and TripInternalService. */
export function serviceNameOf(desc: DescService | DescMethod): string {
  const { typeName } = desc.kind === "rpc" ? desc.parent : desc;
  const name = /^ridemesh\.([a-z0-9_]+)\.v\d+\.\w+$/.exec(typeName)?.[1];
  if (!name) throw new Error(`${typeName} is not a service of a package ridemesh.<name>.v<N>`);
  return name;
}

/** The method's full name: "ridemesh.trip.v1.TripService/GetTrip". */
export function rpcName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Its path over gRPC: "/ridemesh.trip.v1.TripService/GetTrip". */
export function rpcPath(method: DescMethod): string {
  return `/${rpcName(method)}`;
}
