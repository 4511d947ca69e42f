import { expect } from "chai";
import { locationConfig } from "./config.js";

describe("the location service's settings", () => {
  it("keep points for 90 days unless told otherwise", () => {
    expect(locationConfig({})).deep.equal({ retentionDays: 90 });
    expect(locationConfig({ RIDEMESH_LOCATION_RETENTION_DAYS: "7" }).retentionDays).equal(7);
  });

  it("refuse a retention that is no number of days, naming the variable", () => {
    for (const text of ["", "1", "2.5", "week", "100000"]) {
      expect(() => locationConfig({ RIDEMESH_LOCATION_RETENTION_DAYS: text })).throw(
        /RIDEMESH_LOCATION_RETENTION_DAYS/,
      );
    }
  });
});
