import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { waitFor } from "../../services/testing/wait-for.js";
import { backoffMs, follow, isPassing, type FollowDeps } from "./follow.js";

type Step = { say: string } | { fail: ConnectError } | "hang" | "open";

/** A server that plays one list of steps each time the stream is opened. */
function play(rounds: Step[][], change: Partial<FollowDeps<string>> = {}) {
  const log: string[] = [];
  const controller = new AbortController();
  let opened = 0;
  const deps: FollowDeps<string> = {
    open: async function* (signal, onOpen) {
      const round = rounds[opened++] ?? ["hang" as const];
      for (const step of round) {
        if (step === "open") onOpen();
        else if (step === "hang") await aborted(signal);
        else if ("say" in step) yield step.say;
        else throw step.fail;
      }
    },
    onMessage: (message, first) => void log.push(first ? `first ${message}` : message),
    onState: (state) => void log.push(`[${state}]`),
    renew: () => {
      log.push("renew");
      return Promise.resolve();
    },
    sleep: (ms) => {
      log.push(`sleep ${ms}`);
      return Promise.resolve();
    },
    random: () => 0,
    silenceMs: 60_000,
    ...change,
  };
  const done = follow(deps, controller.signal);
  return { log, done, stop: () => controller.abort(), opened: () => opened };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(new ConnectError("aborted", Code.Canceled));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
  });
}

const fail = (code: Code, headers?: HeadersInit): Step => ({
  fail: new ConnectError("refused", code, headers),
});

describe("a stream that is followed", () => {
  it("is live from its first message, and ends when it shall", async () => {
    const { log, done, stop } = play([[{ say: "a" }, { say: "b" }, "hang"]]);
    await waitFor("both messages", () => log.includes("b"));
    stop();
    await done;
    expect(log).to.deep.equal(["[connecting]", "[live]", "first a", "b"]);
  });

  it("is live before its first message when the server says that it took the call", async () => {
    const { log, done, stop } = play([["open", "hang"]]);
    await waitFor("the stream to be live", () => log.includes("[live]"));
    stop();
    await done;
    expect(log).to.deep.equal(["[connecting]", "[live]"]);
  });

  it("is opened again when it breaks, and its first message is known as such", async () => {
    const { log, done, stop } = play([
      [{ say: "a" }, fail(Code.Unavailable)],
      [fail(Code.Unavailable)],
      [{ say: "b" }, "hang"],
    ]);
    await waitFor("the second message", () => log.includes("first b"));
    stop();
    await done;
    expect(log).to.deep.equal([
      "[connecting]",
      "[live]",
      "first a",
      "[reconnecting]",
      "sleep 250",
      "sleep 500",
      "[live]",
      "first b",
    ]);
  });

  it("is opened again when the server ends it in order", async () => {
    const { log, done, stop } = play([[{ say: "a" }], [{ say: "b" }, "hang"]]);
    await waitFor("the second message", () => log.includes("first b"));
    stop();
    await done;
    expect(log.slice(3)).to.deep.equal(["[reconnecting]", "sleep 250", "[live]", "first b"]);
  });

  it("goes on with a new token when the old one has ended, and no one sees it", async () => {
    const { log, done, stop } = play([
      [{ say: "a" }, fail(Code.Unauthenticated)],
      [{ say: "b" }, "hang"],
    ]);
    await waitFor("the second message", () => log.includes("first b"));
    stop();
    await done;
    expect(log).to.deep.equal(["[connecting]", "[live]", "first a", "renew", "first b"]);
  });

  it("waits when new tokens are refused as well", async () => {
    const { log, done, stop } = play([
      [fail(Code.Unauthenticated)],
      [fail(Code.Unauthenticated)],
      [{ say: "a" }, "hang"],
    ]);
    await waitFor("the message", () => log.includes("first a"));
    stop();
    await done;
    expect(log).to.deep.equal([
      "[connecting]",
      "renew",
      "[reconnecting]",
      "sleep 250",
      "[live]",
      "first a",
    ]);
  });

  it("tries again when the token cannot be renewed for now", async () => {
    let renewals = 0;
    const renew = () =>
      ++renewals === 1
        ? Promise.reject(new ConnectError("down", Code.Unavailable))
        : Promise.resolve();
    const rounds = [
      [fail(Code.Unauthenticated)],
      [fail(Code.Unauthenticated)],
      [{ say: "a" }, "hang" as const],
    ];
    const { log, done, stop } = play(rounds, { renew });
    await waitFor("the message", () => log.includes("first a"));
    stop();
    await done;
    expect(renewals).to.equal(2);
  });

  it("ends when the session cannot be renewed", async () => {
    const renew = () => Promise.reject(new ConnectError("over", Code.Unauthenticated));
    const { done } = play([[fail(Code.Unauthenticated)]], { renew });
    const error: unknown = await done.catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error).code).to.equal(Code.Unauthenticated);
  });

  for (const code of [Code.PermissionDenied, Code.NotFound, Code.InvalidArgument]) {
    it(`ends when the server refuses with ${Code[code]}`, async () => {
      const { done, opened } = play([[fail(code)]]);
      const error: unknown = await done.catch((thrown: unknown) => thrown);
      expect(ConnectError.from(error).code).to.equal(code);
      expect(opened()).to.equal(1);
    });
  }

  it("waits as long as the server asks", async () => {
    const { log, done, stop } = play([
      [fail(Code.ResourceExhausted, { "retry-after": "7" })],
      [{ say: "a" }, "hang"],
    ]);
    await waitFor("the message", () => log.includes("first a"));
    stop();
    await done;
    expect(log).to.include("sleep 7000");
  });

  it("is opened anew when nothing is heard of it", async () => {
    const { log, done, stop } = play(
      [
        [{ say: "a" }, "hang"],
        [{ say: "b" }, "hang"],
      ],
      {
        silenceMs: 20,
      },
    );
    await waitFor("the second message", () => log.includes("first b"));
    stop();
    await done;
    expect(log.slice(0, 4)).to.deep.equal(["[connecting]", "[live]", "first a", "first b"]);
  });
});

describe("the wait before the next attempt", () => {
  const cases: [attempt: number, random: number, ms: number][] = [
    [0, 0, 250],
    [0, 1, 500],
    [1, 0.5, 750],
    [4, 0, 4000],
    [5, 1, 15_000],
    [500, 1, 15_000],
  ];
  for (const [attempt, random, ms] of cases) {
    it(`is ${ms} ms at attempt ${attempt} with the dice at ${random}`, () => {
      expect(backoffMs(attempt, random)).to.equal(ms);
    });
  }
});

describe("an error", () => {
  it("may pass when it is of the network or of load", () => {
    expect(isPassing(new TypeError("Failed to fetch"))).to.be.true;
    expect(isPassing(new ConnectError("x", Code.ResourceExhausted))).to.be.true;
  });

  it("lasts when the caller is refused", () => {
    expect(isPassing(new ConnectError("x", Code.PermissionDenied))).to.be.false;
  });
});
