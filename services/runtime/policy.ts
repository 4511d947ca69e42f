/** Decides whether a call is allowed, from what the contract says about its method. */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { MethodPolicy } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import type { CallContext, Caller } from "./call-context.js";
import { Code, StatusError, notFound } from "./status.js";

/** Whose a resource is. */
export interface Ownership {
  tenantId: string;
  /** Accounts that it belongs to. */
  subjects: string[];
}

/** By resource name, how to find whose it is; undefined when there is no such thing. */
export type Owners = Record<
  string,
  (tenantId: string, id: string, memo: Map<string, unknown>) => Promise<Ownership | undefined>
>;

/** The service that all external calls come through. */
export const gatewayName = "gateway";

/** Refuses a calling service that the method does not name. */
export function checkPeer(policy: MethodPolicy, peer: string): void {
  const allowed = policy.access
    ? peer === gatewayName
    : policy.callers.includes(peer) || (policy.callers.includes("*") && peer !== "");
  if (allowed) return;
  throw new StatusError(Code.PERMISSION_DENIED, {
    reason: "CALLER_NOT_ALLOWED",
    domain: "ridemesh",
    message: `service ${peer || "(unknown)"} may not call this method`,
  });
}

/** Refuses a caller without a token, or whose roles the method does not name. */
export function checkRoles(policy: MethodPolicy, caller: Caller): void {
  const { access } = policy;
  if (!access || access.public) return;
  if (caller.anonymous) {
    throw new StatusError(Code.UNAUTHENTICATED, {
      reason: "TOKEN_MISSING",
      domain: "ridemesh",
      message: "the call needs an access token: authorization: Bearer …",
    });
  }
  const allowed = (roles: number[]) => caller.roles.some((role) => roles.includes(role));
  if (allowed(access.any) || allowed(access.own)) return;
  throw new StatusError(Code.PERMISSION_DENIED, {
    reason: "ROLE_NOT_ALLOWED",
    domain: "ridemesh",
    message: "the caller's role may not call this method",
  });
}

/**
 * Refuses a caller who may act only on what is his, on what is not. What belongs to another is not
 * told apart from what does not exist.
 */
export async function checkOwnership(
  method: DescMethod,
  policy: MethodPolicy,
  ctx: Pick<CallContext, "caller" | "memo">,
  request: Message,
  owners: Owners,
): Promise<void> {
  const { access } = policy;
  const { caller } = ctx;
  if (!access || access.public || access.ownership.case === undefined) return;
  const mayAny = caller.roles.some((role) => access.any.includes(role));
  if (access.ownership.case === "subjectField") {
    if (mayAny) return;
    const field = access.ownership.value;
    if (fieldText(method, request, field) !== caller.subject)
      throw notFound(field.replace(/_id$/, ""));
    return;
  }
  const { name, idField } = access.ownership.value;
  const find = owners[name];
  if (!find) throw new Error(`no owners are known for resource ${name}`);
  const found = await find(caller.tenantId, fieldText(method, request, idField), ctx.memo);
  if (!found || found.tenantId !== caller.tenantId) throw notFound(name.replaceAll("_", " "));
  if (!mayAny && !found.subjects.includes(caller.subject))
    throw notFound(name.replaceAll("_", " "));
}

function fieldText(method: DescMethod, request: Message, fieldName: string): string {
  const field = method.input.fields.find((f) => f.name === fieldName);
  if (!field) throw new Error(`${method.input.typeName} has no field ${fieldName}`);
  const value: unknown = reflect(method.input, request).get(field);
  if (typeof value !== "string") throw new Error(`${field.toString()} is not a string`);
  return value;
}
