import { expect } from "chai";
import { comparedPlate, shownPlate } from "./plate.js";

describe("plates", () => {
  it("are shown in capitals, as they were given", () => {
    expect(shownPlate(" ab-12 cd ")).to.equal("AB-12 CD");
  });

  it("are the same when letters and digits are", () => {
    for (const plate of ["AB12CD", "ab 12 cd", "A.B-12-CD"]) {
      expect(comparedPlate(plate)).to.equal("AB12CD");
    }
  });

  it("may be written in any alphabet", () => {
    expect(comparedPlate("京A·12345")).to.equal("京A12345");
  });

  it("are nothing without letters and digits", () => {
    expect(comparedPlate(" -.- ")).to.equal("");
  });
});
