/** What every adapter of the bus port must do, as tests. */
import { expect } from "chai";
import {
  deadLetterSuffix,
  maxDeliveries,
  type Bus,
  type BusMessage,
  type Subscription,
} from "../runtime/bus.js";
import { uuidv4 } from "../runtime/ids.js";
import { stopAll, type Runnable } from "../runtime/lifecycle.js";
import { waitFor } from "./wait-for.js";

/** Makes connections to one and the same bus, each as a process of its own would have it. */
export type ConnectToBus = () => Promise<Bus>;

const noon = new Date("2026-03-01T12:00:00Z");
/** A member that is gone without a word may hold its part of the work for as long. */
const takeoverMs = 15_000;

/** Describes the port; `connect` may be called from the first `before` hook on. */
export function busConformance(connect: ConnectToBus): void {
  let buses: Bus[];
  let topic: string;
  const running: Runnable[] = [];

  beforeEach(async () => {
    topic = `test.${uuidv4()}`;
    buses = [await connect(), await connect()];
  });
  afterEach(async () => {
    await stopAll(running.splice(0));
    await stopAll(buses);
  });

  const message = (key: string, n: number, about: Partial<BusMessage> = {}): BusMessage => ({
    id: uuidv4(),
    topic,
    key,
    type: "test.v1.Counted",
    tenantId: "metro",
    payload: Buffer.from(String(n)),
    time: noon,
    ...about,
  });
  const nameOf = (one: BusMessage) => `${one.key}:${Buffer.from(one.payload).toString()}`;
  const subscribe = async (
    bus: Bus,
    subscription: Omit<Subscription, "topics">,
  ): Promise<Runnable> => {
    const member = await bus.subscribe({ topics: [topic], ...subscription });
    running.push(member);
    return member;
  };
  /** A member that writes down what it gets. */
  const listener = async (bus: Bus, group: string): Promise<{ seen: string[] } & Runnable> => {
    const seen: string[] = [];
    const handle = (one: BusMessage) => Promise.resolve(void seen.push(nameOf(one)));
    const member = await subscribe(bus, { group, handle });
    return { seen, stop: member.stop };
  };
  const numbered = (keys: string[], count: number): BusMessage[] =>
    Array.from({ length: count }, (_, n) => keys.map((key) => message(key, n))).flat();
  const expectInOrder = (seen: string[], keys: string[], count: number) => {
    const expected = Array.from({ length: count }, (_, n) => n);
    for (const key of keys) {
      const own = seen.filter((name) => name.startsWith(`${key}:`));
      expect(
        own.map((name) => Number(name.slice(key.length + 1))),
        key,
      ).to.deep.equal(expected);
    }
  };
  const manyKeys = Array.from({ length: 40 }, (_, k) => `key-${k}`);

  it("delivers a message as it was published", async () => {
    const got: BusMessage[] = [];
    await subscribe(buses[0]!, {
      group: "a",
      handle: (one) => Promise.resolve(void got.push(one)),
    });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const sent = [
      message("k", 1, { payload: Uint8Array.of(0, 255, 10), traceparent }),
      message("k", 2, { payload: new Uint8Array() }),
    ];
    await buses[1]!.publish(sent);
    await waitFor("both messages", () => got.length === 2);
    const plain = (one: BusMessage) => ({ ...one, payload: [...one.payload] });
    const expected = sent.map((one) => ({ traceparent: undefined, ...plain(one) }));
    expect(got.map(plain)).to.deep.equal(expected);
  });

  it("keeps the order of each key", async () => {
    const { seen } = await listener(buses[0]!, "a");
    const all = numbered(manyKeys, 20);
    for (let i = 0; i < all.length; i += 37) await buses[i % 2]!.publish(all.slice(i, i + 37));
    await waitFor("all messages", () => seen.length === all.length);
    expectInOrder(seen, manyKeys, 20);
  });

  it("publishes nothing when there is nothing to publish", async () => {
    await buses[0]!.publish([]);
  });

  it("gives every group every message", async () => {
    const groups = await Promise.all(["a", "b", "c"].map((group) => listener(buses[0]!, group)));
    await buses[1]!.publish(numbered(["x", "y"], 10));
    for (const { seen } of groups) {
      await waitFor("all messages", () => seen.length === 20);
      expectInOrder(seen, ["x", "y"], 10);
    }
  });

  it("gives a group only the topics that it asked for", async () => {
    const { seen } = await listener(buses[0]!, "a");
    await buses[1]!.publish([
      message("k", 1, { topic: `${topic}.other` }),
      message("k", 2),
      message("k", 3, { topic: `${topic}.other` }),
      message("k", 4),
    ]);
    await waitFor("two messages", () => seen.length === 2);
    expect(seen).to.deep.equal(["k:2", "k:4"]);
  });

  it("gives a group only the types that it asked for, and passes over the others for good", async () => {
    const seen: string[] = [];
    const handle = (one: BusMessage) => Promise.resolve(void seen.push(nameOf(one)));
    const types = ["test.v1.Counted", "test.v1.Added"];
    const first = await subscribe(buses[0]!, { group: "a", types, handle });
    const kinds = ["Counted", "Other", "Added", "Other", "Counted", "Other"];
    await buses[1]!.publish(kinds.map((kind, n) => message("k", n, { type: `test.v1.${kind}` })));
    await waitFor("three messages", () => seen.length === 3);
    await first.stop();
    const later = await listener(buses[1]!, "a");
    await buses[0]!.publish([message("k", 6, { type: "test.v1.Other" })]);
    await waitFor("the next", () => later.seen.includes("k:6"));
    expect(seen).to.deep.equal(["k:0", "k:2", "k:4"]);
  });

  it("starts a new group at the oldest message", async () => {
    await buses[0]!.publish(numbered(["x"], 5));
    const { seen } = await listener(buses[1]!, "late");
    await waitFor("all messages", () => seen.length === 5);
    expectInOrder(seen, ["x"], 5);
  });

  it("goes on where a group stopped", async () => {
    const first = await listener(buses[0]!, "a");
    await buses[0]!.publish(numbered(["x"], 3));
    await waitFor("three messages", () => first.seen.length === 3);
    await first.stop();
    await buses[0]!.publish([message("x", 3), message("x", 4)]);
    const second = await listener(buses[1]!, "a");
    await waitFor("two messages", () => second.seen.length === 2);
    expect(second.seen).to.deep.equal(["x:3", "x:4"]);
    expect(first.seen).to.have.length(3);
  });

  it("shares the messages of a group among its members, one to each", async () => {
    const members = [await listener(buses[0]!, "a"), await listener(buses[1]!, "a")];
    let published = 0;
    await waitFor(
      "both members to get some",
      async () => {
        await buses[0]!.publish(manyKeys.map((key) => message(key, published)));
        published += 1;
        return members.every(({ seen }) => seen.length > 0);
      },
      takeoverMs,
    );
    const total = published * manyKeys.length;
    const seen = () => members.flatMap((member) => member.seen);
    await waitFor("all messages", () => seen().length === total);
    expect(new Set(seen()).size).to.equal(total);
    for (const key of manyKeys) {
      const merged = members.map((m) => m.seen.filter((name) => name.startsWith(`${key}:`)));
      const numbers = merged.map((own) => own.map((name) => Number(name.slice(key.length + 1))));
      for (const own of numbers) expect(own, key).to.deep.equal([...own].sort((x, y) => x - y));
    }
  });

  it("gives the work of a member that leaves to those who stay", async () => {
    const members = [await listener(buses[0]!, "a"), await listener(buses[1]!, "a")];
    const seen = () => members.flatMap((member) => member.seen);
    for (let n = 0; n < 10; n += 1) {
      await buses[0]!.publish(manyKeys.map((key) => message(key, n)));
      if (n === 4) await members[0]!.stop();
    }
    await waitFor("all messages", () => seen().length === 400, takeoverMs);
    expect(new Set(seen()).size).to.equal(400);
    expect(members[1]!.seen).to.have.length.above(0);
  });

  it("finishes the message in hand when a member stops, and no other", async () => {
    const handled: string[] = [];
    let finish: (() => void) | undefined;
    const member = await subscribe(buses[0]!, {
      group: "a",
      handle: async (one) => {
        await new Promise<void>((resolve) => (finish = resolve));
        handled.push(nameOf(one));
      },
    });
    await buses[1]!.publish(numbered(["x"], 3));
    await waitFor("the first to be in hand", () => finish !== undefined);
    const stopped = member.stop();
    finish!();
    await stopped;
    expect(handled).to.deep.equal(["x:0"]);
    const next = await listener(buses[1]!, "a");
    await waitFor("the others", () => next.seen.length === 2);
    expect(next.seen).to.deep.equal(["x:1", "x:2"]);
  });

  it("delivers again what was not handled, before what follows under the key", async () => {
    const attempts: string[] = [];
    await subscribe(buses[0]!, {
      group: "a",
      handle: (one) => {
        attempts.push(nameOf(one));
        const again = attempts.filter((name) => name === "x:1").length < 3;
        return nameOf(one) === "x:1" && again
          ? Promise.reject(new Error("not yet"))
          : Promise.resolve();
      },
    });
    await buses[1]!.publish(numbered(["x"], 3));
    await waitFor("the last", () => attempts.includes("x:2"));
    expect(attempts).to.deep.equal(["x:0", "x:1", "x:1", "x:1", "x:2"]);
  });

  it("parks what cannot be handled as a dead letter, and goes on with what follows", async () => {
    const attempts: string[] = [];
    const letters: BusMessage[] = [];
    await subscribe(buses[0]!, {
      group: "a",
      handle: (one) => {
        attempts.push(nameOf(one));
        return nameOf(one) === "x:1" ? Promise.reject(new Error("never")) : Promise.resolve();
      },
    });
    const parked = await buses[0]!.subscribe({
      group: "repair",
      topics: [topic + deadLetterSuffix],
      handle: (one) => Promise.resolve(void letters.push(one)),
    });
    running.push(parked);
    const sent = numbered(["x"], 3);
    await buses[1]!.publish(sent);
    await waitFor("the last", () => attempts.includes("x:2"), takeoverMs);
    const tries = Array.from({ length: maxDeliveries }, () => "x:1");
    expect(attempts).to.deep.equal(["x:0", ...tries, "x:2"]);
    await waitFor("the dead letter", () => letters.length === 1);
    const { id, type, key, tenantId, time } = sent[1]!;
    expect(letters[0]).to.deep.include({
      id,
      type,
      key,
      tenantId,
      time,
      topic: `${topic}${deadLetterSuffix}`,
    });
    expect(Buffer.from(letters[0]!.payload).toString()).to.equal("1");
  }).timeout(2 * takeoverMs);

  it("has another member take over from one that is gone without a word", async () => {
    const lost: string[] = [];
    let wakeTheDead: (() => void) | undefined;
    const silence = new Promise<void>((resolve) => (wakeTheDead = resolve));
    await subscribe(buses[0]!, {
      group: "a",
      handle: async (one) => {
        if (nameOf(one) === "x:2") {
          lost.push(nameOf(one));
          await silence;
        }
      },
    });
    await buses[1]!.publish(numbered(["x"], 5));
    await waitFor("the member to go silent", () => lost.length === 1);
    const { seen } = await listener(buses[1]!, "a");
    await waitFor("the rest", () => seen.includes("x:4"), takeoverMs);
    // What it had in hand comes again; what it had finished may.
    expect(seen.slice(-3)).to.deep.equal(["x:2", "x:3", "x:4"]);
    wakeTheDead!();
    await buses[1]!.publish([message("x", 5)]);
    await waitFor("the next", () => seen.includes("x:5"), takeoverMs);
    expect(seen.slice(-4)).to.deep.equal(["x:2", "x:3", "x:4", "x:5"]);
  }).timeout(3 * takeoverMs);
}
