import { expect } from "chai";
import { addSeconds } from "../runtime/clock.js";
import { accessSeconds } from "./session.js";
import {
  activeKeys,
  graceSeconds,
  keyExpiry,
  needsKey,
  publishSeconds,
  rotationSeconds,
  signerOf,
  type KeyLife,
} from "./signing-keys.js";

const start = new Date("2024-05-01T12:00:00Z");
const at = (seconds: number) => addSeconds(start, seconds);

function key(kid: string, createSeconds: number, revokeSeconds?: number): KeyLife {
  const createTime = at(createSeconds);
  const revokeTime = revokeSeconds === undefined ? undefined : at(revokeSeconds);
  return { kid, createTime, expireTime: keyExpiry(createTime), revokeTime };
}

describe("signing keys", () => {
  const first = key("first", 0);
  const second = key("second", rotationSeconds);

  it("are made when there is none, and when the newest is 30 days old", () => {
    expect(needsKey([], start)).to.equal(true);
    expect(needsKey([first], at(rotationSeconds - 1))).to.equal(false);
    expect(needsKey([first], at(rotationSeconds))).to.equal(true);
    expect(needsKey([first, second], at(rotationSeconds))).to.equal(false);
  });

  it("sign at once when there is no other, else after they have been published for a while", () => {
    expect(signerOf([first], start)).to.equal(first);
    const soon = at(rotationSeconds + publishSeconds - 1);
    expect(signerOf([second, first], soon)).to.equal(first);
    const later = at(rotationSeconds + publishSeconds);
    expect(signerOf([second, first], later)).to.equal(second);
  });

  it("stay published a day after their successor came, newest first", () => {
    const kids = (seconds: number) => activeKeys([first, second], at(seconds)).map((k) => k.kid);
    expect(kids(rotationSeconds + graceSeconds - 1)).to.deep.equal(["second", "first"]);
    expect(kids(rotationSeconds + graceSeconds)).to.deep.equal(["second"]);
  });

  it("never sign what outlives them", () => {
    const end = first.expireTime;
    expect(signerOf([first], addSeconds(end, -accessSeconds))).to.equal(first);
    expect(signerOf([first], addSeconds(end, -accessSeconds + 1))).to.equal(undefined);
  });

  it("are neither published nor used when revoked, and are replaced at once", () => {
    const leaked = key("leaked", 0, 100);
    expect(activeKeys([leaked], at(101))).to.deep.equal([]);
    expect(signerOf([leaked], at(101))).to.equal(undefined);
    expect(needsKey([leaked], at(101))).to.equal(true);
    const replacement = key("replacement", 101);
    expect(signerOf([leaked, replacement], at(101))).to.equal(replacement);
  });
});
