import { create } from "@bufbuild/protobuf";
import { expect } from "chai";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { declareMethod, type DeclaredMethod } from "../testing/declare-method.js";
import { failure } from "../testing/failure.js";
import type { Caller } from "./call-context.js";
import { policyOf } from "./method-options.js";
import { checkOwnership, checkPeer, checkRoles, type Owners } from "./policy.js";
import { Code, StatusError } from "./status.js";
import { anonymous } from "./token.js";

type Policy = NonNullable<DeclaredMethod["policy"]>;

function caller(subject: string, ...roles: Role[]): Caller {
  return { ...anonymous, subject, tenantId: "metro", roles, anonymous: false };
}

function method(policy: Policy) {
  return declareMethod({ policy, request: [{ name: "user_id" }, { name: "trip_id" }] });
}

function outcome(check: () => void): StatusError | "allowed" {
  try {
    check();
    return "allowed";
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
}

describe("who may call a method", () => {
  const peer = (policy: Policy, name: string) =>
    outcome(() => checkPeer(policyOf(method(policy)), name));
  const notAllowed = { code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" };

  it("from outside is only the gateway", () => {
    const external = { access: { public: true } };
    expect(peer(external, "gateway")).to.equal("allowed");
    for (const name of ["trip", ""]) expect(peer(external, name)).to.include(notAllowed);
  });

  it("from inside are the services that it names", () => {
    const internal = { callers: ["trip", "rider"] };
    expect(peer(internal, "trip")).to.equal("allowed");
    for (const name of ["gateway", "driver", "", "*"]) {
      expect(peer(internal, name)).to.include(notAllowed);
    }
  });

  it("is every service, but no stranger, where it says so", () => {
    expect(peer({ callers: ["*"] }, "driver")).to.equal("allowed");
    expect(peer({ callers: ["*"] }, "")).to.include(notAllowed);
  });
});

describe("which roles may call a method", () => {
  const roles = (access: NonNullable<Policy["access"]>, who: Caller) =>
    outcome(() => checkRoles(policyOf(method({ access })), who));

  it("is no question where it is public", () => {
    expect(roles({ public: true }, anonymous)).to.equal("allowed");
    expect(roles({ public: true }, caller("a", Role.RIDER))).to.equal("allowed");
  });

  it("is answered for a person only, not without a token", () => {
    expect(roles({ any: [Role.ADMIN] }, anonymous)).to.include({
      code: Code.UNAUTHENTICATED,
      reason: "TOKEN_MISSING",
    });
  });

  it("are those of any and own; one of several is enough", () => {
    const access = { any: [Role.ADMIN], own: [Role.RIDER] };
    for (const who of [
      caller("a", Role.ADMIN),
      caller("a", Role.RIDER),
      caller("a", Role.DRIVER, Role.RIDER),
    ]) {
      expect(roles(access, who)).to.equal("allowed");
    }
    for (const who of [caller("a", Role.DRIVER), caller("a")]) {
      expect(roles(access, who)).to.include({
        code: Code.PERMISSION_DENIED,
        reason: "ROLE_NOT_ALLOWED",
      });
    }
  });
});

describe("whose a request may concern", () => {
  const check = async (
    access: NonNullable<Policy["access"]>,
    who: Caller,
    request: { userId?: string; tripId?: string },
    owners: Owners = {},
  ) => {
    const desc = method({ access });
    const message = create(desc.input, request);
    await checkOwnership(desc, policyOf(desc), { caller: who, memo: new Map() }, message, owners);
    return "allowed";
  };
  const rider = caller("rider-1", Role.RIDER);

  describe("by a field", () => {
    const access: NonNullable<Policy["access"]> = {
      any: [Role.ADMIN],
      own: [Role.RIDER],
      ownership: { case: "subjectField", value: "user_id" },
    };

    it("is the caller himself, and anyone for who may act on any", async () => {
      expect(await check(access, rider, { userId: "rider-1" })).to.equal("allowed");
      expect(await check(access, caller("x", Role.ADMIN), { userId: "r" })).to.equal("allowed");
    });

    it("is nobody else, who is as if not there", async () => {
      for (const userId of ["rider-2", ""]) {
        const error = await failure(check(access, rider, { userId }));
        expect(error).to.include({ code: Code.NOT_FOUND, message: "user not found" });
      }
    });
  });

  describe("by a resource", () => {
    const access: NonNullable<Policy["access"]> = {
      any: [Role.ADMIN],
      own: [Role.RIDER, Role.DRIVER],
      ownership: { case: "resource", value: { name: "trip", idField: "trip_id" } },
    };
    const trips: Record<string, { tenantId: string; subjects: string[] }> = {
      mine: { tenantId: "metro", subjects: ["rider-1", "driver-1"] },
      foreign: { tenantId: "harbor", subjects: ["rider-1"] },
    };
    const owners: Owners = { trip: (_tenantId, id) => Promise.resolve(trips[id]) };
    const ask = (who: Caller, tripId: string) => check(access, who, { tripId }, owners);

    it("is that of its parties, and any of the tenant for who may act on any", async () => {
      for (const who of [rider, caller("driver-1", Role.DRIVER), caller("x", Role.ADMIN)]) {
        expect(await ask(who, "mine")).to.equal("allowed");
      }
    });

    it("is not another's, another tenant's or none, which look the same", async () => {
      for (const [who, tripId] of [
        [caller("rider-2", Role.RIDER), "mine"],
        [rider, "foreign"],
        [caller("x", Role.ADMIN), "foreign"],
        [caller("x", Role.ADMIN), "none"],
        [rider, "none"],
      ] as const) {
        const error = await failure(ask(who, tripId));
        expect(error).to.include({ code: Code.NOT_FOUND, message: "trip not found" });
      }
    });

    it("is a fault of ours when nobody knows the owners", async () => {
      const error = await check(access, rider, { tripId: "mine" }).catch((e: Error) => e);
      expect(error)
        .to.be.an("error")
        .with.property("message", "no owners are known for resource trip");
    });
  });

  it("is no question without ownership", async () => {
    expect(await check({ any: [Role.RIDER] }, rider, {})).to.equal("allowed");
    expect(await check({ public: true }, anonymous, {})).to.equal("allowed");
  });
});
