import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import { createSecrets } from "../runtime/secrets.js";
import { StatusError } from "../runtime/status.js";
import { openQuote, sealQuote } from "./quote-token.js";

const secrets = createSecrets([{ id: "one", key: randomBytes(32) }]);
const now = new Date("2024-05-01T12:00:00.000Z");
const holder = { tenantId: "metro", riderId: "rider-1" };
const terms = TripTerms.fromPartial({
  quoteId: "quote-1",
  cityId: "new-york",
  vehicleClass: 1,
  pickup: { point: { lat: 40.7580123456, lng: -73.98 }, address: "Times Square – 42nd" },
  dropoff: { point: { lat: 40.7, lng: -74 } },
  fare: { total: { amountMinor: 1234n, currencyCode: "USD" }, distanceMeters: 4321.125 },
  cancelFeeMinor: 500n,
});
const token = sealQuote(secrets, {
  ...holder,
  expireTime: new Date("2024-05-01T12:05:00.000Z"),
  terms,
});

/** The reason of the error, or "opened". */
function reasonOf(text: string, as = holder, at = now, keys = secrets): string {
  try {
    openQuote(keys, text, as, at);
    return "opened";
  } catch (error) {
    if (error instanceof StatusError) {
      expect(error.violations.map((v) => v.field)).to.deep.equal(["quote_token"]);
      return error.reason;
    }
    throw error;
  }
}

describe("a quote token", () => {
  it("gives back the terms that it was made of", () => {
    expect(openQuote(secrets, token, holder, now)).to.deep.equal(terms);
  });

  it("is short enough for the field that carries it, with the longest addresses", () => {
    const long = "街".repeat(200);
    const longest = sealQuote(secrets, {
      tenantId: "t".repeat(64),
      riderId: "00000000-0000-4000-8000-000000000000",
      expireTime: now,
      terms: TripTerms.fromPartial({
        ...terms,
        pickup: { ...terms.pickup, address: long },
        dropoff: { ...terms.dropoff, address: long },
      }),
    });
    expect(longest.length).to.be.below(4096);
  });

  it("holds until just before its end", () => {
    expect(reasonOf(token, holder, new Date("2024-05-01T12:04:59.999Z"))).to.equal("opened");
    expect(reasonOf(token, holder, new Date("2024-05-01T12:05:00.000Z"))).to.equal("QUOTE_EXPIRED");
  });

  it("is invalid for another rider and for another tenant", () => {
    expect(reasonOf(token, { ...holder, riderId: "rider-2" })).to.equal("QUOTE_INVALID");
    expect(reasonOf(token, { ...holder, tenantId: "harbor" })).to.equal("QUOTE_INVALID");
  });

  it("tells nobody else that it has expired", () => {
    const later = new Date("2025-01-01T00:00:00Z");
    expect(reasonOf(token, { ...holder, riderId: "rider-2" }, later)).to.equal("QUOTE_INVALID");
  });

  it("is invalid when any one character is changed, left out or put in", () => {
    const accepted: string[] = [];
    for (let i = 0; i < token.length; i += 1) {
      const other = token[i] === "A" ? "B" : "A";
      const changed = [
        token.slice(0, i) + other + token.slice(i + 1),
        token.slice(0, i) + token.slice(i + 1),
        `${token.slice(0, i)} ${token.slice(i)}`,
      ];
      accepted.push(...changed.filter((one) => reasonOf(one) !== "QUOTE_INVALID"));
    }
    expect(accepted).to.deep.equal([]);
  });

  it("is invalid when it is signed with another key, or for another purpose", () => {
    const others = createSecrets([{ id: "one", key: randomBytes(32) }]);
    expect(reasonOf(token, holder, now, others)).to.equal("QUOTE_INVALID");
    const message = Buffer.from(token.split(".")[0]!, "base64url");
    const elsewhere = secrets.sign("something-else", message).toString("base64url");
    expect(reasonOf(`${token.split(".")[0]}.${elsewhere}`)).to.equal("QUOTE_INVALID");
  });

  for (const junk of ["", ".", "x", "a.b", "..", `${"a".repeat(4000)}.b`]) {
    it(`is not ${JSON.stringify(junk.slice(0, 8))}`, () => {
      expect(reasonOf(junk)).to.equal("QUOTE_INVALID");
    });
  }
});
