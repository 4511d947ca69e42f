import { expect } from "chai";
import { wallClock } from "../../services/runtime/clock.js";
import { createDomainTime } from "./domain-time.js";

describe("the domain clock that a client follows", () => {
  const noon = Date.parse("2019-03-06T12:00:00Z");
  const from = (rate: number) => {
    const wallOrigin = wallClock.now();
    return createDomainTime(wallClock, { origin: new Date(noon), wallOrigin, rate });
  };
  const order = (...waits: [string, Promise<void>][]) => {
    const over: string[] = [];
    return Promise.all(waits.map(([name, wait]) => wait.then(() => over.push(name)))).then(
      () => over,
    );
  };

  it("runs from its origin at its rate", async () => {
    const time = from(1000);
    await wallClock.sleep(20);
    const seconds = (time.now().getTime() - noon) / 1000;
    expect(seconds).to.be.within(19, 10_000);
  });

  it("wakes who sleeps when his time has come, in the order of their times", async () => {
    const time = from(1000);
    const over = await order(["late", time.sleep(60)], ["early", time.sleep(20)]);
    expect(over).to.deep.equal(["early", "late"]);
    expect(time.now().getTime()).to.be.at.least(noon + 60_000);
  });

  it("lets who sleeps reckon anew when its rate changes", async () => {
    const time = from(0.001);
    const sleeping = time.sleep(60);
    time.follow({ origin: time.now(), wallOrigin: wallClock.now(), rate: 10_000 });
    await sleeping;
    expect(time.now().getTime()).to.be.at.least(noon + 60_000);
  });

  it("wakes nobody early when it slows down", async () => {
    const time = from(1000);
    const target = new Date(noon + 100_000);
    const sleeping = time.sleepUntil(target);
    time.follow({ origin: time.now(), wallOrigin: wallClock.now(), rate: 500 });
    await sleeping;
    expect(time.now().getTime()).to.be.at.least(target.getTime());
  });

  it("wakes at once who is told to", async () => {
    const time = from(0.001);
    const leave = new AbortController();
    const sleeping = time.sleep(1e6, leave.signal);
    leave.abort();
    await sleeping;
    await time.sleep(1e6, leave.signal);
  });
});
