import { expect } from "chai";
import { defaultPricingConfig, pricingConfig } from "./config.js";

describe("the pricing service's settings", () => {
  it("are the usual ones when nothing is set, and else those of the environment", () => {
    expect(pricingConfig({})).to.deep.equal(defaultPricingConfig);
    const env = { RIDEMESH_QUOTE_SECONDS: "60", RIDEMESH_TARIFF_TTL_MS: "10" };
    expect(pricingConfig(env)).to.deep.equal({ quoteSeconds: 60, tariffTtlMs: 10 });
  });

  for (const value of ["0", "-5", "1.5", "soon"]) {
    it(`refuse ${value} seconds for a quote, by name`, () => {
      const read = () => pricingConfig({ RIDEMESH_QUOTE_SECONDS: value });
      expect(read).to.throw("RIDEMESH_QUOTE_SECONDS");
    });
  }
});
