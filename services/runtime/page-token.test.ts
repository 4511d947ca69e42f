import { expect } from "chai";
import {
  decodePageToken,
  decodeTimePosition,
  encodePageToken,
  encodeTimePosition,
} from "./page-token.js";
import { Code, StatusError } from "./status.js";

describe("page tokens", () => {
  it("give back what they were made from, whatever it is", () => {
    for (const values of [["2026-03-01T12:00:00.000Z", "id"], ["ü/+ \u0000", ""], ["x"]]) {
      const token = encodePageToken(values);
      expect(token).to.match(/^[\w-]+$/);
      expect(decodePageToken(token, values.length)).to.deep.equal(values);
    }
  });

  it("that are empty stand for the beginning", () => {
    expect(decodePageToken("", 2)).to.equal(undefined);
  });

  const strange = {
    "of another list": encodePageToken(["one"]),
    "that are no base64": "***",
    "that hold no JSON": Buffer.from("hello").toString("base64url"),
    "that hold no list": Buffer.from('{"a":1}').toString("base64url"),
    "that hold numbers": Buffer.from("[1,2]").toString("base64url"),
  };
  for (const [what, token] of Object.entries(strange)) {
    it(`${what} are refused, and the field is named`, () => {
      expect(() => decodePageToken(token, 2))
        .to.throw(StatusError)
        .that.deep.includes({ code: Code.INVALID_ARGUMENT, reason: "INVALID_REQUEST" })
        .and.has.nested.property("violations[0].field", "page_token");
    });
  }

  describe("of a list by time and id", () => {
    const id = "6b1f8f0e-7a0f-4c53-9d5f-0f8f6b1f8f0e";
    const time = new Date("2026-03-01T12:00:00.007Z");

    it("give back the place", () => {
      const place = { time, id };
      expect(decodeTimePosition(encodeTimePosition(place))).to.deep.equal(place);
      expect(decodeTimePosition("")).to.equal(undefined);
    });

    const wrong: [time: string, id: string][] = [
      ["yesterday", id],
      ["2026-03-01", id],
      ["+275760-09-13T00:00:00.000Z", id],
      ["-000044-03-15T00:00:00.000Z", id],
      [time.toISOString(), "x"],
      [time.toISOString(), id.toUpperCase()],
      ["", ""],
    ];
    for (const values of wrong) {
      it(`are refused with ${JSON.stringify(values)}`, () => {
        expect(() => decodeTimePosition(encodePageToken(values)))
          .to.throw(StatusError)
          .with.nested.property("violations[0].field", "page_token");
      });
    }
  });
});
