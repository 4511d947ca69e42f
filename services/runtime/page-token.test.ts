import { expect } from "chai";
import { decodePageToken, encodePageToken } from "./page-token.js";
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
});
