import { expect } from "chai";
import { silentLogger } from "../runtime/log.js";
import { defaultEtaConfig, etaConfig } from "./config.js";
import { hourOfWeekAt, hourOfWeekIn, loadEstimator } from "./estimator.js";

const from = { lat: 40.758, lng: -73.9855 };
const to = { lat: 40.7359, lng: -73.9911 };

describe("the estimator", () => {
  it("says what its estimates come from: the model, or distance when there is none", async () => {
    const learned = await loadEstimator(defaultEtaConfig.modelFile, silentLogger);
    expect(learned.estimate(from, to, 8).source).equal("learned");
    const plain = await loadEstimator("/does/not/exist.json", silentLogger);
    expect(plain.estimate(from, to, 8).source).equal("distance");
  });

  it("reads the model that the environment names", () => {
    expect(etaConfig({})).deep.equal(defaultEtaConfig);
    expect(etaConfig({ RIDEMESH_ETA_MODEL: "/data/model.json" }).modelFile).equal(
      "/data/model.json",
    );
  });

  it("counts the hours of the week from Sunday midnight, by the zone or by the sun", () => {
    const time = new Date("2024-03-06T09:30:00Z");
    expect(hourOfWeekIn(time, "America/New_York")).equal(3 * 24 + 4);
    expect(hourOfWeekIn(time, "Asia/Tokyo")).equal(3 * 24 + 18);
    expect(hourOfWeekIn(new Date("2024-03-10T05:00:00Z"), "America/New_York")).equal(0);
    expect(hourOfWeekIn(new Date("2024-03-10T04:59:59Z"), "America/New_York")).equal(167);
    expect(hourOfWeekAt(time, -75)).equal(3 * 24 + 4);
    expect(hourOfWeekAt(time, 135)).equal(3 * 24 + 18);
  });
});
