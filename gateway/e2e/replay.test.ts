/**
 * What a repeated call means: for every RPC that takes a request_id, many calls with one key at once,
 * by Connect and by REST, have one effect and one answer.
 */
import { toJsonString, type DescMethodUnary } from "@bufbuild/protobuf";
import { expect } from "chai";
import { Idempotency } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { allMethods, policyOf, rpcName } from "../../services/runtime/contract.js";
import { Code } from "../../services/runtime/status.js";
import { attempt, changed } from "./attempt.js";
import { exampleOf } from "./examples.js";
import { restWire } from "./rest-wire.js";
import { makeWorld, spots, type World } from "./world.js";

const callsAtOnce = 50;

describe("repeated calls", function () {
  this.timeout(30_000);
  let world: World;

  before(async () => {
    world = await makeWorld(spots.access);
    const { riderA: rider, driverA: driver, places } = world;
    await world.rides.upTo(TripState.PAYMENT_PROCESSED, { rider, driver, places });
  });
  afterEach(() => world.clear());
  after(async () => {
    await world.leave();
    expect(world.platform.takeErrors()).to.deep.equal([]);
  });

  const keyed = allMethods().filter((one) => policyOf(one).idempotency === Idempotency.KEY);
  for (const method of keyed) {
    it(`${rpcName(method)} has one effect and one answer, however often it is called`, async () => {
      const { make, effects, other } = exampleOf(method)!;
      if (!effects || !other) {
        throw new Error(`the example of ${rpcName(method)} lacks effects or other`);
      }
      const made = await make(world);
      const { caller } = made;
      const requestId = `replay-${method.name}`;
      const before = await effects(world, made);

      const rest = restWire(world.platform.url);
      const request = changed(method, made.request, { requestId });
      const bare = changed(method, made.request, { requestId: "" });
      const headers = { "idempotency-key": requestId };
      const unary = method as DescMethodUnary;
      const answers = await Promise.all(
        Array.from({ length: callsAtOnce }, (_, index) =>
          index % 2 === 0
            ? world.wire.unary(unary, caller, request)
            : rest.unary(unary, caller, bare, { headers }),
        ),
      );
      const distinct = new Set(answers.map((answer) => toJsonString(method.output, answer)));
      expect([...distinct]).to.have.length(1);
      expect(await effects(world, made)).to.equal(before + 1);

      const fields = await other(world, made);
      const reused = changed(method, made.request, { ...fields, requestId });
      for (const wire of [world.wire, rest]) {
        const { error } = await attempt(wire, method, caller, reused);
        expect(error?.reason, wire.name).to.equal("REQUEST_ID_REUSED");
        expect(error?.code, wire.name).to.equal(Code.INVALID_ARGUMENT);
        expect(error?.violations.map(({ field }) => field)).to.deep.equal(["request_id"]);
      }
      expect(await effects(world, made)).to.equal(before + 1);
    });
  }
});
