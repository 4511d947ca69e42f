import { expect } from "chai";
import { addSeconds } from "./clock.js";
import { uuidOf, uuidv4, uuidv7 } from "./ids.js";

const noon = new Date("2026-03-01T12:00:00Z");
const form = (version: number) =>
  new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`);

describe("ids", () => {
  it("of version 7 sort by the time that they are made for, and hold it", () => {
    const ids = Array.from({ length: 50 }, (_, i) => uuidv7(addSeconds(noon, i * 1000)));
    for (const id of ids) expect(id).to.match(form(7));
    expect([...ids].sort()).to.deep.equal(ids);
    expect(Number.parseInt(ids[0]!.replaceAll("-", "").slice(0, 12), 16)).to.equal(noon.getTime());
  });

  it("of one moment differ", () => {
    const ids = new Set(Array.from({ length: 1000 }, () => uuidv7(noon)));
    expect(ids.size).to.equal(1000);
  });

  it("made at random are of version 4", () => {
    expect(uuidv4()).to.match(form(4));
    expect(uuidv4()).not.to.equal(uuidv4());
  });

  it("of words are the same for the same words, and keep the words apart", () => {
    expect(uuidOf("charge", "trip-1")).to.match(form(8)).and.to.equal(uuidOf("charge", "trip-1"));
    expect(uuidOf("ab", "c")).not.to.equal(uuidOf("a", "bc"));
    expect(uuidOf("a")).not.to.equal(uuidOf("a", ""));
  });
});
