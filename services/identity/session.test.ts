import { expect } from "chai";
import { addSeconds } from "../runtime/clock.js";
import {
  accessExpiry,
  accessSeconds,
  decideRefresh,
  isLive,
  revocationExpiry,
  type Family,
} from "./session.js";

const start = new Date("2024-05-01T12:00:00Z");
const hash = (name: string) => Buffer.from(name);

function family(given: Partial<Family> = {}): Family {
  return {
    tokenHash: hash("current"),
    previousHash: hash("previous"),
    rotateTime: start,
    expireTime: addSeconds(start, 3600),
    revokeTime: undefined,
    ...given,
  };
}

describe("a refresh token", () => {
  const decide = (name: string, afterSeconds: number, given: Partial<Family> = {}) =>
    decideRefresh(family(given), hash(name), addSeconds(start, afterSeconds));

  it("is exchanged while it is the current one and the session lives", () => {
    expect(decide("current", 3599)).to.equal("rotate");
    expect(decide("current", 3600)).to.equal("ended");
    expect(decide("current", 1, { revokeTime: start })).to.equal("ended");
  });

  it("that was spent last may be repeated for ten seconds", () => {
    expect(decide("previous", 0)).to.equal("repeat");
    expect(decide("previous", 10)).to.equal("repeat");
    expect(decide("previous", 10.001)).to.equal("reused");
    expect(decide("previous", 5, { revokeTime: start })).to.equal("ended");
  });

  it("that was spent before that is reused, however soon", () => {
    expect(decide("older", 0)).to.equal("reused");
    expect(decide("older", 0, { revokeTime: start })).to.equal("reused");
    expect(decide("older", 4000)).to.equal("reused");
    const fresh = { previousHash: undefined, rotateTime: undefined };
    expect(decide("older", 0, fresh)).to.equal("reused");
  });
});

describe("an access token", () => {
  it("ends after 15 minutes, with its session if that is earlier, on a whole second", () => {
    const now = addSeconds(start, 0.25);
    const later = addSeconds(start, 1e6);
    expect(accessExpiry(later, now)).to.deep.equal(addSeconds(start, accessSeconds));
    expect(accessExpiry(addSeconds(start, 60.5), now)).to.deep.equal(addSeconds(start, 60));
  });

  it("has ended by itself when its session's revocation is forgotten", () => {
    const latest = accessExpiry(addSeconds(start, 1e6), start);
    expect(revocationExpiry(start).getTime()).to.be.above(latest.getTime());
  });
});

describe("a session", () => {
  it("lives until it expires or is revoked", () => {
    expect(isLive(family(), start)).to.equal(true);
    expect(isLive(family(), addSeconds(start, 3600))).to.equal(false);
    expect(isLive(family({ revokeTime: start }), start)).to.equal(false);
  });
});
