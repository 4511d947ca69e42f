import { expect } from "chai";
import { DispatchSettings } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { addSeconds } from "../runtime/clock.js";
import { nextLook, planSearch, type Plan } from "./search.js";

const noon = new Date("2019-03-01T12:00:00Z");
const at = (seconds: number) => addSeconds(noon, seconds);
const settings = DispatchSettings.fromPartial({
  offerSeconds: 15,
  roundSeconds: 15,
  roundRadiusMeters: [2000, 5000, 5000],
  maxOffers: 5,
});

describe("a search", () => {
  /** What is known, at second 100, and what follows from it. Times are seconds. */
  interface Case {
    what: string;
    round: number;
    roundEnds: number | undefined;
    offersEnd?: number[];
    plan: "finish" | [round: number, endsAt: number, radius: number, vacancies: number];
  }
  const cases: Case[] = [
    {
      what: "begins with the first round",
      round: 0,
      roundEnds: undefined,
      plan: [1, 115, 2000, 5],
    },
    { what: "stays in a round that lasts", round: 1, roundEnds: 108, plan: [1, 108, 2000, 5] },
    {
      what: "asks as many more as may be asked",
      round: 1,
      roundEnds: 108,
      offersEnd: [105, 108],
      plan: [1, 108, 2000, 3],
    },
    {
      what: "asks nobody more while enough are asked",
      round: 1,
      roundEnds: 108,
      offersEnd: [101, 102, 103, 104, 105],
      plan: [1, 108, 2000, 0],
    },
    {
      what: "asks not fewer than nobody",
      round: 1,
      roundEnds: 108,
      offersEnd: [101, 102, 103, 104, 105, 106],
      plan: [1, 108, 2000, 0],
    },
    {
      what: "counts no offer that ends now",
      round: 1,
      roundEnds: 108,
      offersEnd: [90, 100, 101],
      plan: [1, 108, 2000, 4],
    },
    { what: "goes on to a round further out", round: 1, roundEnds: 100, plan: [2, 115, 5000, 5] },
    { what: "goes on to the last round", round: 2, roundEnds: 99, plan: [3, 115, 5000, 5] },
    {
      what: "goes on with the offers that outlive their round",
      round: 1,
      roundEnds: 100,
      offersEnd: [107],
      plan: [2, 115, 5000, 4],
    },
    {
      what: "loses no round that it was asleep in",
      round: 1,
      roundEnds: -500,
      plan: [2, 115, 5000, 5],
    },
    {
      what: "waits after the last round for its last offers, and asks nobody more",
      round: 3,
      roundEnds: 100,
      offersEnd: [107],
      plan: [3, 100, 5000, 0],
    },
    { what: "is over after the last round", round: 3, roundEnds: 100, plan: "finish" },
    {
      what: "is over with its last offer",
      round: 3,
      roundEnds: 95,
      offersEnd: [100],
      plan: "finish",
    },
  ];
  for (const { what, round, roundEnds, offersEnd = [], plan } of cases) {
    it(what, () => {
      const state = {
        round,
        roundEndTime: roundEnds === undefined ? undefined : at(roundEnds),
        liveOffers: offersEnd.map(at),
      };
      const expected: Plan =
        plan === "finish"
          ? { kind: "finish" }
          : {
              kind: "search",
              round: plan[0],
              roundEndTime: at(plan[1]),
              radiusMeters: plan[2],
              vacancies: plan[3],
            };
      expect(planSearch(state, settings, at(100))).to.deep.equal(expected);
    });
  }

  it("follows the city's own settings", () => {
    const one = { ...settings, roundSeconds: 40, roundRadiusMeters: [700], maxOffers: 1 };
    const begin = { round: 0, roundEndTime: undefined, liveOffers: [] };
    const plan = planSearch(begin, one, noon);
    expect(plan).to.deep.include({ roundEndTime: at(40), radiusMeters: 700, vacancies: 1 });
    const end = { round: 1, roundEndTime: at(40), liveOffers: [] };
    expect(planSearch(end, one, at(40))).to.deep.equal({ kind: "finish" });
  });

  it("that nobody answers lasts all its rounds", () => {
    let state = { round: 0, roundEndTime: undefined as Date | undefined, liveOffers: [] };
    const radii: number[] = [];
    let now = noon;
    for (;;) {
      const plan = planSearch(state, settings, now);
      if (plan.kind === "finish") break;
      radii.push(plan.radiusMeters);
      state = { ...plan, liveOffers: [] };
      now = plan.roundEndTime;
    }
    expect(radii).to.deep.equal([2000, 5000, 5000]);
    expect(now).to.deep.equal(at(45));
  });
});

describe("the next look at a search", () => {
  const cases: [
    what: string,
    roundEnds: number,
    offersEnd: number[],
    wantsDrivers: boolean,
    next: number,
  ][] = [
    ["is at the end of its round", 115, [], false, 115],
    ["is at the end of the first offer to end", 115, [112, 108, 114], false, 108],
    ["is soon, while more drivers may be asked", 115, [112], true, 101],
    ["is never later than the round's end, however long a recheck is", 100.5, [], true, 100.5],
    ["leaves a round out that is over", 95, [107], false, 107],
    ["is now, when there is nothing to wait for", 95, [], false, 100],
  ];
  for (const [what, roundEnds, offersEnd, wantsDrivers, next] of cases) {
    it(what, () => {
      const time = nextLook(at(roundEnds), offersEnd.map(at), 1, wantsDrivers, at(100));
      expect(time).to.deep.equal(at(next));
    });
  }
});
