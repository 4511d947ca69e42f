import { expect } from "chai";
import { waitFor } from "./wait-for.js";

describe("waitFor", () => {
  it("returns the first value that is there, and keeps 0 and the empty string", async () => {
    let calls = 0;
    expect(await waitFor("third call", () => ++calls === 3 && calls)).to.equal(3);
    expect(await waitFor("zero", () => Promise.resolve(0))).to.equal(0);
    expect(await waitFor("nothing written", () => "")).to.equal("");
  });

  it("takes an error of the probe for not yet", async () => {
    let calls = 0;
    const value = await waitFor("no more errors", () => {
      if (++calls < 3) throw new Error("too early");
      return "ready";
    });
    expect(value).to.equal("ready");
  });

  it("names what it waited for and the last value when time is over", async () => {
    const error = await failure(waitFor("the trip to end", () => undefined, 20));
    expect(error.message).to.equal("waited 20 ms for the trip to end: last value undefined");
  });

  it("names the last error, and keeps it as the cause", async () => {
    const cause = new Error("connection refused");
    const error = await failure(waitFor("a server", () => Promise.reject(cause), 20));
    expect(error.message).to.equal("waited 20 ms for a server: last error connection refused");
    expect(error.cause).to.equal(cause);
  });
});

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected a failure");
}
