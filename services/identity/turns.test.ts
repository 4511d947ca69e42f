import { expect } from "chai";
import { createTurns } from "./turns.js";

describe("turns", () => {
  it("run one at a time for a key, in the order of asking, others beside them", async () => {
    const turns = createTurns();
    const steps: string[] = [];
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const first = turns("a", async () => {
      steps.push("first begins");
      await gate;
      steps.push("first ends");
    });
    const second = turns("a", () => Promise.resolve(steps.push("second")));
    await turns("b", () => Promise.resolve(steps.push("other")));
    open();
    await Promise.all([first, second]);
    expect(steps).to.deep.equal(["first begins", "other", "first ends", "second"]);
  });

  it("go on after a failure, which only its own caller sees", async () => {
    const turns = createTurns();
    const failing = turns("a", () => Promise.reject(new Error("no")));
    const next = turns("a", () => Promise.resolve("fine"));
    expect(await failing.catch((error: Error) => error.message)).to.equal("no");
    expect(await next).to.equal("fine");
  });
});
