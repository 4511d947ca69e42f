/**
 * Who may call what: for every RPC of the contract its rightful caller, and then everyone else. Made
 * from the descriptors and one example each; an RPC without an example fails by name.
 */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { clone, create } from "@bufbuild/protobuf";
import { expect } from "chai";
import { Idempotency, Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import {
  allMethods,
  isExternal,
  isReadOnly,
  isRepeatable,
  policyOf,
  rpcName,
} from "../../services/runtime/contract.js";
import { Code, type StatusError } from "../../services/runtime/status.js";
import { attempt, changed, textOf, type Outcome } from "./attempt.js";
import { changedTables, digestTables } from "./digest.js";
import type { Example, Made } from "./example.js";
import { exampleOf } from "./examples.js";
import { hostileTo } from "./hostile.js";
import { http } from "./http.js";
import type { Person } from "./people.js";
import { createPeers, peerNames, type Peers } from "./peers.js";
import { jsonOf, restRequestOf, restWire, routesOf } from "./rest-wire.js";
import { violationsOf } from "./violations.js";
import type { Wire } from "./wire.js";
import { makeWorld, spots, type World } from "./world.js";

const everyRole = [Role.RIDER, Role.DRIVER, Role.ADMIN, Role.SUPPORT, Role.FLEET] as const;

describe("access", function () {
  this.timeout(30_000);
  let world: World;
  let peers: Peers;

  before(async () => {
    world = await makeWorld(spots.access);
    peers = await createPeers(world.platform);
    await world.rides.upTo(8, { rider: world.riderA, driver: world.driverA, places: world.places });
  });
  after(async () => {
    await world.clear();
    await world.leave();
    await peers.stop();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  for (const method of allMethods()) {
    describe(rpcName(method), () => {
      const example = exampleOf(method);
      if (!example) {
        it("has an example", () => {
          throw new Error(`${rpcName(method)} has no example in gateway/e2e/examples.ts`);
        });
        return;
      }
      let made: Made;
      before(async () => {
        made = await example.make(world);
        made = { ...made, request: withRequestId(method, made) };
      });
      after(() => world.clear());
      if (isExternal(method)) testExternal(method, example, () => made);
      else testInternal(method, example, () => made);
    });
  }

  function testExternal(method: DescMethod, example: Example, made: () => Made): void {
    const policy = policyOf(method);
    const access = policy.access!;
    const allowed = [...access.any, ...access.own];

    it("answers its rightful caller", async () => {
      const { caller, request } = made();
      expectAnswer(await attempt(world.wire, method, caller, request));
      if (!isReadOnly(method)) return;
      for (const role of access.any) {
        expectAnswer(await attempt(world.wire, method, personOf(world, role), request));
      }
    });

    it("refuses everyone else, and nothing has changed", async () => {
      const { caller, request } = made();
      if (example.leavesSearch) await world.clear();
      await world.atRest();
      const before = await digestTables(world.platform);

      const refuse = async (as: Person | undefined, code: Code, reason: string) => {
        for (const wire of wiresOf(world, method)) {
          const fresh = { ...request, ...(hasKey(method) ? { requestId: "" } : {}) };
          const outcome = await attempt(wire, method, as, fresh);
          expectRefusal(outcome, code, reason, `${wire.name}, ${as?.name ?? "anonymous"}`);
        }
      };
      if (!access.public) {
        await refuse(undefined, Code.UNAUTHENTICATED, "TOKEN_MISSING");
        const forged = { ...world.riderA, name: "forged", token: `${world.riderA.token}x` };
        await refuse(forged, Code.UNAUTHENTICATED, "TOKEN_INVALID");
        for (const role of everyRole.filter((one) => !allowed.includes(one))) {
          await refuse(personOf(world, role), Code.PERMISSION_DENIED, "ROLE_NOT_ALLOWED");
        }
        for (const role of access.own) {
          await refuse(anotherOf(world, role, caller!), Code.NOT_FOUND, "NOT_FOUND");
        }
      }
      for (const peer of peerNames.filter((one) => one !== "gateway")) {
        const error = await refused(peers.call(method, peer, request, caller));
        expect([error.code, error.reason], peer).to.deep.equal([
          Code.PERMISSION_DENIED,
          "CALLER_NOT_ALLOWED",
        ]);
      }
      if (isReadOnly(method) && !access.public) await askElsewhere(method, example, made());

      await world.atRest();
      expect(changedTables(before, await digestTables(world.platform))).to.deep.equal([]);
    });

    it("lets the gateway call on behalf of its rightful caller", async function () {
      // What cannot be done twice has been done.
      if (!isRepeatable(method) || example.leavesSearch) return;
      const { caller, request } = made();
      await peers.call(method, "gateway", request, caller);
    });

    if (!access.public && !isReadOnly(method)) {
      it("does nothing to it for another operator's people", async () => {
        await world.atRest();
        const before = await digestTables(world.platform, "metro");
        await askElsewhere(method, example, made());
        await world.atRest();
        const after = await digestTables(world.platform, "metro");
        expect(changedTables(before, after)).to.deep.equal([]);
      });
    }

    it("names the field that breaks a rule", async () => {
      const { caller, request } = made();
      for (const violation of violationsOf(method.input)) {
        const broken = clone(method.input, create(method.input, request));
        violation.apply(broken);
        const outcome = await attempt(world.wire, method, caller, broken);
        const what = `${violation.field} ${violation.what}`;
        expect(outcome.error && Code[outcome.error.code], what).to.equal("INVALID_ARGUMENT");
        const fields = outcome.error!.violations.map(({ field }) => field);
        expect(fields, what).to.include(violation.field);
      }
    });

    it("breaks at no value", async () => {
      const { caller: person, request } = made();
      const caller = example.endsSession ? await world.people.logIn(person!) : person;
      for (const hostile of hostileTo(method.input)) {
        const odd = clone(method.input, create(method.input, request));
        (odd as Message & { requestId?: string }).requestId &&= "";
        hostile.apply(odd);
        const { error } = await attempt(world.wire, method, caller, odd);
        const what = `${hostile.field} ${hostile.what}`;
        expect(error && Code[error.code], what).not.to.be.oneOf(brokenCodes);
      }
    });

    it("refuses a field that it does not have", async () => {
      const { caller: person, request } = made();
      const caller = example.endsSession ? await world.people.logIn(person!) : person;
      for (const route of routesOf(method)) {
        const rest = restRequestOf(route, jsonOf(method.input, request));
        const hasBody = route.verb === "POST" || route.verb === "PUT";
        const path = hasBody ? rest.path : `${rest.path}${mark(rest.path)}noSuchField=1`;
        const body = { ...(rest.body as object), noSuchField: 1 };
        const answer = await http(world.platform.url, rest.verb, path, {
          as: caller,
          ...(hasBody ? { body } : {}),
        });
        expect(answer.status, route.path).to.equal(400);
        const within = route.body === undefined || route.body === "*" ? "" : `${route.body}.`;
        expect(answer.json["violations"], route.path).to.deep.include({
          field: `${within}noSuchField`,
          message: hasBody ? "there is no such field" : "there is no such parameter",
        });
      }
    });
  }

  /** Each role that may call does so from the other operator. */
  async function askElsewhere(method: DescMethod, example: Example, made: Made): Promise<void> {
    const { access } = policyOf(method);
    const request = { ...made.request, ...(hasKey(method) ? { requestId: "" } : {}) };
    for (const role of [...access!.any, ...access!.own]) {
      const there = foreignerOf(world, role);
      const person = example.endsSession ? await world.people.logIn(there) : there;
      const outcome = await attempt(world.wire, method, person, request);
      expectNothingOf(world, method, outcome, person.name);
      const { elsewhere } = example;
      const maySucceed = isReadOnly(method) || elsewhere === "own";
      if (outcome.error) {
        const expected = typeof elsewhere === "object" ? elsewhere : notFound;
        expectRefusal(outcome, expected.code, expected.reason, person.name);
      } else {
        expect(maySucceed, `${person.name} was answered`).to.equal(true);
      }
    }
  }

  function testInternal(method: DescMethod, example: Example, made: () => Made): void {
    const { callers } = policyOf(method);
    const rightful = callers[0] === "*" ? peerNames : callers;

    it("answers its rightful callers", async () => {
      const { request } = made();
      for (const peer of isRepeatable(method) ? rightful : rightful.slice(0, 1)) {
        await peers.call(method, peer, request);
      }
    });

    it("refuses every other service, and nothing has changed", async () => {
      const { request } = made();
      if (example.leavesSearch) await world.clear();
      await world.atRest();
      const before = await digestTables(world.platform);
      for (const peer of peerNames.filter((one) => !rightful.includes(one))) {
        const error = await refused(peers.call(method, peer, request, world.admin));
        expect([error.code, error.reason], peer).to.deep.equal([
          Code.PERMISSION_DENIED,
          "CALLER_NOT_ALLOWED",
        ]);
      }
      await world.atRest();
      expect(changedTables(before, await digestTables(world.platform))).to.deep.equal([]);
    });

    it("cannot be called from outside", async () => {
      const { request } = made();
      const outcome = await attempt(world.wire, method, world.admin, request);
      expect(outcome.error && Code[outcome.error.code]).to.be.oneOf(["UNIMPLEMENTED", "NOT_FOUND"]);
    });

    it("names the field that breaks a rule", async () => {
      const { request } = made();
      for (const violation of violationsOf(method.input)) {
        const broken = clone(method.input, create(method.input, request));
        violation.apply(broken);
        const what = `${violation.field} ${violation.what}`;
        const error = await refused(peers.call(method, rightful[0]!, broken));
        expect(Code[error.code], what).to.equal("INVALID_ARGUMENT");
        expect(
          error.violations.map(({ field }) => field),
          what,
        ).to.include(violation.field);
      }
    });
  }
});

/** What a call comes to when a program chokes. */
const brokenCodes = ["INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS"];

const notFound = { code: Code.NOT_FOUND, reason: "NOT_FOUND" };

function hasKey(method: DescMethod): boolean {
  return policyOf(method).idempotency === Idempotency.KEY;
}

/** The request with a key of its own, so that it can be repeated. */
function withRequestId(method: DescMethod, { request }: Made): Made["request"] {
  return hasKey(method)
    ? changed(method, request, { requestId: `access-${method.name}` })
    : request;
}

/** The ways of calling that a method has. */
function wiresOf(world: World, method: DescMethod): Wire[] {
  const rest = routesOf(method).map((_, index) => restWire(world.platform.url, index));
  return [world.wire, ...rest];
}

function personOf(world: World, role: Role): Person {
  switch (role) {
    case Role.RIDER:
      return world.riderA;
    case Role.DRIVER:
      return world.driverA;
    case Role.ADMIN:
      return world.admin;
    case Role.SUPPORT:
      return world.support;
    case Role.FLEET:
      return world.fleet;
    case Role.UNSPECIFIED:
      throw new Error("nobody has no role");
    default:
      return role satisfies never;
  }
}

/** Another person of the role, who is not the caller. */
function anotherOf(world: World, role: Role, caller: Person): Person {
  const { riderB, driverB } = world;
  const other = role === Role.RIDER ? riderB : role === Role.DRIVER ? driverB : undefined;
  const found = other ?? personOf(world, role);
  if (found.userId === caller.userId) throw new Error(`${caller.name} is no other`);
  return found;
}

function foreignerOf({ other }: World, role: Role): Person {
  switch (role) {
    case Role.RIDER:
      return other.rider;
    case Role.DRIVER:
      return other.driver;
    case Role.ADMIN:
      return other.admin;
    case Role.SUPPORT:
      return other.support;
    case Role.FLEET:
      return other.fleet;
    case Role.UNSPECIFIED:
      throw new Error("nobody has no role");
    default:
      return role satisfies never;
  }
}

function expectAnswer(outcome: Outcome): void {
  if (outcome.error) throw outcome.error;
}

function expectRefusal(outcome: Outcome, code: Code, reason: string, who: string): void {
  const got = outcome.error && [Code[outcome.error.code], outcome.error.reason];
  expect(got, who).to.deep.equal([Code[code], reason]);
}

/** The answer names nobody and nothing of the first operator. */
function expectNothingOf(world: World, method: DescMethod, outcome: Outcome, who: string): void {
  const text = outcome.error
    ? `${outcome.error.message} ${JSON.stringify(outcome.error.metadata)}`
    : textOf(method, outcome.answer);
  const { riderA, riderB, driverA, driverB, admin, support, fleet } = world;
  const people = [riderA, riderB, driverA, driverB, admin, support, fleet];
  const marks = [
    "metro",
    "new-york",
    ...people.flatMap((one) => [one.userId, one.email, one.name]),
  ];
  for (const mark of marks) expect(text, who).not.to.include(mark);
}

async function refused(call: Promise<unknown>): Promise<StatusError> {
  const outcome = await call.then(
    () => undefined,
    (error: StatusError) => error,
  );
  if (!outcome) throw new Error("the call was answered");
  return outcome;
}

function mark(path: string): "?" | "&" {
  return path.includes("?") ? "&" : "?";
}
