import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import {
  Code,
  StatusError,
  decodeStatus,
  encodeStatus,
  failedPrecondition,
  fromServiceError,
  invalidField,
  isDecision,
  isTransient,
  notFound,
  toServiceError,
  unavailable,
} from "./status.js";

const full = new StatusError(Code.RESOURCE_EXHAUSTED, {
  reason: "OVERLOADED",
  domain: "trip.ridemesh",
  message: "zu viel — 太多",
  metadata: { trip_id: "t-1", state: "TRIP_STATE_MATCHING" },
  violations: [
    { field: "pickup.point.lat", message: "is too far north", rule: "double.lte" },
    { field: "pin", message: "is missing" },
  ],
  retryAfterMs: 1250,
});

const facts = ({
  code,
  message,
  reason,
  metadata,
  domain,
  violations,
  retryAfterMs,
}: StatusError) => ({
  code,
  message,
  reason,
  metadata,
  domain,
  violations,
  retryAfterMs,
});

/** As a client of grpc-js gets it. */
function received(error: StatusError, domain: string): ServiceError {
  const sent = toServiceError(error, domain);
  return Object.assign(new Error(sent.details), {
    code: sent.code!,
    details: sent.details!,
    metadata: sent.metadata!,
  });
}

describe("a status", () => {
  it("keeps all its details on the way through google.rpc bytes", () => {
    expect(facts(decodeStatus(encodeStatus(full, "other.ridemesh")))).to.deep.equal(facts(full));
  });

  it("keeps all its details on the way through a gRPC error", () => {
    expect(facts(fromServiceError(received(full, "other.ridemesh")))).to.deep.equal(facts(full));
  });

  it("has the domain of the service that throws it, unless it names one", () => {
    const plain = failedPrecondition("WRONG_PIN", "the PIN is not the rider's", { left: "2" });
    expect(plain.domain).to.equal(undefined);
    expect(decodeStatus(encodeStatus(plain, "trip.ridemesh"))).to.deep.include({
      domain: "trip.ridemesh",
      reason: "WRONG_PIN",
      metadata: { left: "2" },
      violations: [],
      retryAfterMs: undefined,
    });
  });

  it("says when to come back in whole seconds, at least one", () => {
    const wait = (retryAfterMs: number) =>
      toServiceError(
        new StatusError(Code.UNAVAILABLE, { reason: "X", message: "x", retryAfterMs }),
        "x",
      ).metadata!.get("retry-after")[0];
    expect([wait(1), wait(1000), wait(1001)]).to.deep.equal(["1", "1", "2"]);
    expect(toServiceError(notFound("trip"), "x").metadata!.get("retry-after")).to.be.empty;
  });

  it("of a gRPC error without details has its code and text", () => {
    const error = Object.assign(new Error("14 UNAVAILABLE: No connection established"), {
      code: Code.UNAVAILABLE,
      details: "No connection established",
      metadata: new Metadata(),
    });
    expect(fromServiceError(error)).to.deep.include({
      code: Code.UNAVAILABLE,
      message: "No connection established",
      reason: "",
    });
  });

  it("is made by helpers for what is usual", () => {
    expect(facts(notFound("trip"))).to.deep.include({
      code: Code.NOT_FOUND,
      reason: "NOT_FOUND",
      domain: "ridemesh",
      message: "trip not found",
    });
    expect(facts(invalidField("pin", "is missing"))).to.deep.include({
      code: Code.INVALID_ARGUMENT,
      reason: "INVALID_REQUEST",
      domain: "ridemesh",
      message: "pin: is missing",
      violations: [{ field: "pin", message: "is missing" }],
    });
    expect(facts(invalidField("pin", "is wrong", "WRONG_PIN"))).to.deep.include({
      reason: "WRONG_PIN",
      domain: undefined,
    });
    expect(facts(unavailable("later"))).to.deep.include({
      code: Code.UNAVAILABLE,
      reason: "DEPENDENCY_UNAVAILABLE",
    });
  });

  it("is transient when the same call may succeed later", () => {
    const codes = Object.values(Code).filter((code) => typeof code === "number");
    expect(codes.filter(isTransient).map((code) => Code[code])).to.have.members([
      "CANCELLED",
      "DEADLINE_EXCEEDED",
      "RESOURCE_EXHAUSTED",
      "ABORTED",
      "UNAVAILABLE",
    ]);
  });

  it("is a decision when it says something about the call itself", () => {
    const codes = Object.values(Code).filter((code) => typeof code === "number");
    expect(codes.filter(isDecision).map((code) => Code[code])).to.have.members([
      "INVALID_ARGUMENT",
      "NOT_FOUND",
      "ALREADY_EXISTS",
      "PERMISSION_DENIED",
      "UNAUTHENTICATED",
      "FAILED_PRECONDITION",
      "OUT_OF_RANGE",
    ]);
  });
});
