import { expect } from "chai";
import { CityService } from "../gen/es/ridemesh/city/v1/city_service_pb.js";
import { TripService } from "../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { policyOf } from "../services/runtime/contract.js";
import { Code, StatusError } from "../services/runtime/status.js";
import { createLimits, limitHeaders, type Limits } from "./limits.js";

const getTrip = TripService.method.getTrip;
const getClock = CityService.method.getClock;
const requestTrip = TripService.method.requestTrip;

/** How many of so many calls are let through, and the last refusal. */
async function tryCalls(limits: Limits, method: typeof getTrip, who: string, count: number) {
  let passed = 0;
  let refusal: StatusError | undefined;
  for (let i = 0; i < count; i += 1) {
    try {
      await limits.count(method, who);
      passed += 1;
    } catch (error) {
      refusal = error as StatusError;
    }
  }
  return { passed, refusal };
}

describe("limits", () => {
  it("let a caller through so often a minute, and as often again as the burst says", async () => {
    const limits = createLimits({ perMinute: 5, burst: 2 });
    const { passed, refusal } = await tryCalls(limits, getTrip, "metro/a", 10);
    expect(passed).to.equal(7);
    expect(refusal).to.be.instanceOf(StatusError);
    expect([refusal!.code, refusal!.reason]).to.deep.equal([
      Code.RESOURCE_EXHAUSTED,
      "RATE_LIMITED",
    ]);
    expect(refusal!.retryAfterMs).to.be.within(1, 60_000);
    expect(refusal!.metadata).to.deep.equal({ limit: "5" });
  });

  it("count each caller alone, and all his calls together", async () => {
    const limits = createLimits({ perMinute: 4, burst: 0 });
    expect((await tryCalls(limits, getTrip, "metro/a", 3)).passed).to.equal(3);
    expect((await tryCalls(limits, getClock as never, "metro/a", 3)).passed).to.equal(1);
    expect((await tryCalls(limits, getTrip, "metro/b", 3)).passed).to.equal(3);
  });

  it("count a method with a limit of its own by itself", async () => {
    const own = policyOf(requestTrip).requestsPerMinute;
    expect(own).to.equal(30);
    const limits = createLimits({ perMinute: 1, burst: 0 });
    expect((await tryCalls(limits, getTrip, "metro/a", 2)).passed).to.equal(1);
    expect((await tryCalls(limits, requestTrip as never, "metro/a", 40)).passed).to.equal(own);
  });

  it("tell how a caller stands", async () => {
    const limits = createLimits({ perMinute: 2, burst: 1 });
    const remaining = [];
    for (let i = 0; i < 3; i += 1) {
      const state = (await limits.count(getTrip, "metro/a"))!;
      expect(state.limit).to.equal(2);
      expect(state.resetSeconds).to.be.within(1, 60);
      remaining.push(state.remaining);
    }
    expect(remaining).to.deep.equal([1, 0, 0]);
  });

  it("are off at 0", async () => {
    const limits = createLimits({ perMinute: 0, burst: 0 });
    expect(await limits.count(getTrip, "metro/a")).to.equal(undefined);
    expect((await tryCalls(limits, requestTrip as never, "metro/a", 100)).passed).to.equal(100);
  });

  it("stand in both kinds of headers", () => {
    expect(limitHeaders({ limit: 100, remaining: 7, resetSeconds: 12 })).to.deep.equal({
      "ratelimit-limit": "100",
      "ratelimit-remaining": "7",
      "ratelimit-reset": "12",
      "x-ratelimit-limit": "100",
      "x-ratelimit-remaining": "7",
      "x-ratelimit-reset": "12",
    });
  });
});
