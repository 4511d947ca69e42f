/**
 * The one error that leaves a service: a gRPC code with google.rpc details. Everything else that is
 * thrown is logged and leaves as INTERNAL with constant text.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, status as Code, type ServiceError } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/es/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../gen/es/google/rpc/status_pb.js";

export { status as Code } from "@grpc/grpc-js";

/** A field of the request that breaks a rule. */
export interface FieldViolation {
  /** Path as in the proto: `pickup.point.lat`. */
  field: string;
  message: string;
  /** The rule: `double.lte`. */
  rule?: string;
}

export interface StatusDetails {
  /** Upper snake case, from an ErrorReason enum: `WRONG_PIN`. */
  reason: string;
  message: string;
  metadata?: Record<string, string>;
  /** The ErrorInfo domain; the server wrapper fills in its service's when absent. */
  domain?: string;
  violations?: FieldViolation[];
  /** When to try again, in milliseconds. */
  retryAfterMs?: number;
}

/** An error that its caller is told of. */
export class StatusError extends Error {
  readonly reason: string;
  readonly metadata: Record<string, string>;
  readonly domain: string | undefined;
  readonly violations: FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: Code,
    details: StatusDetails,
  ) {
    super(details.message);
    this.name = "StatusError";
    this.reason = details.reason;
    this.metadata = details.metadata ?? {};
    this.domain = details.domain;
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** There is no such thing, or none that the caller may know of. The two are not told apart. */
export function notFound(what: string): StatusError {
  return new StatusError(Code.NOT_FOUND, {
    reason: "NOT_FOUND",
    domain: "ridemesh",
    message: `${what} not found`,
  });
}

/** A field of the request breaks a rule that its annotations cannot say. */
export function invalidField(
  field: string,
  message: string,
  reason = "INVALID_REQUEST",
): StatusError {
  return new StatusError(Code.INVALID_ARGUMENT, {
    reason,
    ...(reason === "INVALID_REQUEST" ? { domain: "ridemesh" } : {}),
    message: `${field}: ${message}`,
    violations: [{ field, message }],
  });
}

/** The state of things does not allow it; `field` names the request's field that it is about. */
export function failedPrecondition(
  reason: string,
  message: string,
  metadata: Record<string, string> = {},
  field?: string,
): StatusError {
  return new StatusError(Code.FAILED_PRECONDITION, {
    reason,
    message: field === undefined ? message : `${field}: ${message}`,
    metadata,
    ...(field === undefined ? {} : { violations: [{ field, message }] }),
  });
}

/** What is needed for the answer is away for the moment. */
export function unavailable(message: string): StatusError {
  return new StatusError(Code.UNAVAILABLE, {
    reason: "DEPENDENCY_UNAVAILABLE",
    domain: "ridemesh",
    message,
  });
}

/** Whether the same call may succeed a little later without anything having changed. */
export function isTransient(code: Code): boolean {
  return (
    code === Code.UNAVAILABLE ||
    code === Code.DEADLINE_EXCEEDED ||
    code === Code.RESOURCE_EXHAUSTED ||
    code === Code.CANCELLED ||
    code === Code.ABORTED
  );
}

/** Whether the error is a decision about the call, as against something that went wrong. */
export function isDecision(code: Code): boolean {
  return (
    code === Code.INVALID_ARGUMENT ||
    code === Code.NOT_FOUND ||
    code === Code.ALREADY_EXISTS ||
    code === Code.PERMISSION_DENIED ||
    code === Code.UNAUTHENTICATED ||
    code === Code.FAILED_PRECONDITION ||
    code === Code.OUT_OF_RANGE
  );
}

/** google.rpc.Status bytes of an error, as `grpc-status-details-bin` carries them. */
export function encodeStatus(error: StatusError, defaultDomain: string): Uint8Array {
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, {
        reason: error.reason,
        domain: error.domain ?? defaultDomain,
        metadata: error.metadata,
      }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map((v) => ({
      field: v.field,
      description: v.message,
      reason: v.rule ?? "",
    }));
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (error.retryAfterMs !== undefined) {
    const seconds = Math.floor(error.retryAfterMs / 1000);
    const nanos = Math.round((error.retryAfterMs - seconds * 1000) * 1e6);
    details.push(
      anyPack(
        RetryInfoSchema,
        create(RetryInfoSchema, { retryDelay: { seconds: BigInt(seconds), nanos } }),
      ),
    );
  }
  return toBinary(
    StatusSchema,
    create(StatusSchema, { code: error.code, message: error.message, details }),
  );
}

/** The error that google.rpc.Status bytes stand for. */
export function decodeStatus(bytes: Uint8Array): StatusError {
  const proto = fromBinary(StatusSchema, bytes);
  const details: StatusDetails = { reason: "", message: proto.message };
  for (const any of proto.details) {
    const info = anyUnpack(any, ErrorInfoSchema);
    if (info) {
      details.reason = info.reason;
      details.domain = info.domain;
      details.metadata = info.metadata;
    }
    const bad = anyUnpack(any, BadRequestSchema);
    if (bad) {
      details.violations = bad.fieldViolations.map((v) => ({
        field: v.field,
        message: v.description,
        ...(v.reason ? { rule: v.reason } : {}),
      }));
    }
    const retry = anyUnpack(any, RetryInfoSchema)?.retryDelay;
    if (retry) details.retryAfterMs = Number(retry.seconds) * 1000 + retry.nanos / 1e6;
  }
  return new StatusError(proto.code, details);
}

/** What grpc-js sends for an error. */
export function toServiceError(error: StatusError, defaultDomain: string): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(encodeStatus(error, defaultDomain)));
  if (error.retryAfterMs !== undefined) {
    metadata.set("retry-after", String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
  }
  return { code: error.code, details: error.message, metadata };
}

/** What a grpc-js client's error says. */
export function fromServiceError(error: ServiceError): StatusError {
  const bytes = error.metadata?.get("grpc-status-details-bin")[0];
  if (bytes instanceof Uint8Array) return decodeStatus(bytes);
  return new StatusError(error.code, { reason: "", message: error.details || error.message });
}
