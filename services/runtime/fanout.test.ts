import { expect } from "chai";
import { createFanout } from "./fanout.js";

describe("a fanout", () => {
  const reader = <T>(messages: AsyncIterable<T>) => messages[Symbol.asyncIterator]();

  /** Everything that is unread, without waiting for more. */
  const drain = async (messages: AsyncIterable<number>, last: number): Promise<number[]> => {
    const seen: number[] = [];
    for await (const message of messages) {
      seen.push(message);
      if (message === last) break;
    }
    return seen;
  };

  it("sends to everyone who listens on the channel, and to nobody else", async () => {
    const fanout = createFanout<number>();
    const { signal } = new AbortController();
    const [a, b, other] = ["trip", "trip", "another"].map((c) => fanout.subscribe(c, signal));
    fanout.publish("trip", 1);
    fanout.publish("another", 2);
    expect((await reader(a!).next()).value).to.equal(1);
    expect((await reader(b!).next()).value).to.equal(1);
    expect((await reader(other!).next()).value).to.equal(2);
  });

  it("keeps what comes between subscribing and reading", async () => {
    const fanout = createFanout<number>();
    const messages = fanout.subscribe("trip", new AbortController().signal);
    fanout.publish("trip", 1);
    fanout.publish("trip", 2);
    expect(await drain(messages, 2)).to.deep.equal([1, 2]);
  });

  it("wakes a reader who waits", async () => {
    const fanout = createFanout<number>();
    const next = reader(fanout.subscribe("trip", new AbortController().signal)).next();
    fanout.publish("trip", 5);
    expect(await next).to.deep.equal({ done: false, value: 5 });
  });

  it("keeps of one key only the latest unread message, in the place of the first", async () => {
    const fanout = createFanout<number>();
    const messages = fanout.subscribe("driver", new AbortController().signal);
    fanout.publish("driver", 1, "a");
    fanout.publish("driver", 2, "b");
    fanout.publish("driver", 3, "a");
    fanout.publish("driver", 4, "c");
    expect(await drain(messages, 4)).to.deep.equal([3, 2, 4]);
  });

  it("sends a key again once it was read", async () => {
    const fanout = createFanout<number>();
    const messages = reader(fanout.subscribe("driver", new AbortController().signal));
    fanout.publish("driver", 1, "a");
    expect((await messages.next()).value).to.equal(1);
    fanout.publish("driver", 2, "a");
    expect((await messages.next()).value).to.equal(2);
  });

  it("drops the oldest of what a slow reader has not read", async () => {
    const fanout = createFanout<number>();
    const messages = fanout.subscribe("trip", new AbortController().signal);
    for (let n = 1; n <= 250; n += 1) fanout.publish("trip", n);
    const seen = await drain(messages, 250);
    expect(seen).to.deep.equal(Array.from({ length: 100 }, (_, i) => 151 + i));
  });

  it("forgets a reader who leaves, whether he reads, waits or never began", async () => {
    const fanout = createFanout<number>();
    const leaving = new AbortController();
    const waiting = reader(fanout.subscribe("trip", leaving.signal)).next();
    fanout.subscribe("trip", leaving.signal);
    const breaking = fanout.subscribe("trip", new AbortController().signal);
    expect(fanout.size()).to.equal(3);
    fanout.publish("trip", 1);
    await drain(breaking, 1);
    expect(fanout.size()).to.equal(2);
    expect((await waiting).value).to.equal(1);
    leaving.abort();
    expect(fanout.size()).to.equal(0);
  });

  it("ends for a reader whose signal aborts while he waits, or has aborted before", async () => {
    const fanout = createFanout<number>();
    const leaving = new AbortController();
    const waiting = reader(fanout.subscribe("trip", leaving.signal)).next();
    leaving.abort();
    expect((await waiting).done).to.equal(true);
    const late = reader(fanout.subscribe("trip", leaving.signal));
    expect((await late.next()).done).to.equal(true);
    expect(fanout.size()).to.equal(0);
  });

  it("does not mind that nobody listens, nor that a channel fills again", async () => {
    const fanout = createFanout<number>();
    fanout.publish("trip", 1);
    const first = new AbortController();
    fanout.subscribe("trip", first.signal);
    const second = fanout.subscribe("trip", new AbortController().signal);
    first.abort();
    fanout.publish("trip", 2);
    expect((await reader(second).next()).value).to.equal(2);
  });
});
