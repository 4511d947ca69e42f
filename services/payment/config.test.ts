import { expect } from "chai";
import { defaultPaymentConfig, paymentConfig } from "./config.js";

describe("the payment service's settings", () => {
  it("are the usual ones when nothing is set", () => {
    expect(paymentConfig({})).to.deep.equal(defaultPaymentConfig);
  });

  it("are read from the environment", () => {
    const config = paymentConfig({
      RIDEMESH_COMMISSION_PERCENT: "12.5",
      RIDEMESH_GATEWAY_TIMEOUT_MS: "1000",
      RIDEMESH_PAYMENT_LEASE_MS: "9000",
      RIDEMESH_SANDBOX_TIMEOUT_MS: "0",
    });
    expect(config).to.deep.include({
      commissionBasisPoints: 1250,
      gatewayTimeoutMs: 1000,
      leaseMs: 9000,
      sandboxTimeoutMs: 0,
    });
  });

  const bad: [string, string][] = [
    ["RIDEMESH_COMMISSION_PERCENT", "101"],
    ["RIDEMESH_COMMISSION_PERCENT", "-1"],
    ["RIDEMESH_COMMISSION_PERCENT", "a fifth"],
    ["RIDEMESH_GATEWAY_TIMEOUT_MS", "0"],
    // Shorter than three questions to the gateway.
    ["RIDEMESH_PAYMENT_LEASE_MS", "14999"],
  ];
  for (const [name, value] of bad) {
    it(`refuse ${name}=${value}, by name`, () => {
      expect(() => paymentConfig({ [name]: value })).to.throw(name);
    });
  }
});
