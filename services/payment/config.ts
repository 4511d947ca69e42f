/** Settings of the payment service. */

export interface PaymentConfig {
  /** The platform's share of a fare after tax, in hundredths of a percent. */
  commissionBasisPoints: number;
  /** A question to the card gateway is given up after this, in milliseconds. */
  gatewayTimeoutMs: number;
  /** How long one call may be at an attempt before another carries on with it, in milliseconds. */
  leaseMs: number;
  /** Attempts that nobody carries on with are closed this long after their leases, in milliseconds. */
  closeAfterMs: number;
  /** How long the embedded gateway takes to time out on tok_timeout, in milliseconds. */
  sandboxTimeoutMs: number;
}

export const defaultPaymentConfig: PaymentConfig = {
  commissionBasisPoints: 2000,
  gatewayTimeoutMs: 5000,
  leaseMs: 30_000,
  closeAfterMs: 60_000,
  sandboxTimeoutMs: 500,
};

/**
 * From the environment: RIDEMESH_COMMISSION_PERCENT, RIDEMESH_GATEWAY_TIMEOUT_MS,
 * RIDEMESH_PAYMENT_LEASE_MS, RIDEMESH_SANDBOX_TIMEOUT_MS.
 */
export function paymentConfig(env: Record<string, string | undefined>): PaymentConfig {
  const usual = defaultPaymentConfig;
  const number = (name: string, otherwise: number, least: number, most: number): number => {
    const text = env[name];
    if (!text) return otherwise;
    const value = Number(text);
    if (!(value >= least && value <= most)) {
      throw new Error(`${name} must be a number from ${least} to ${most}, not "${text}"`);
    }
    return value;
  };
  const percent = number("RIDEMESH_COMMISSION_PERCENT", usual.commissionBasisPoints / 100, 0, 100);
  const config = {
    ...usual,
    commissionBasisPoints: Math.round(percent * 100),
    gatewayTimeoutMs: number("RIDEMESH_GATEWAY_TIMEOUT_MS", usual.gatewayTimeoutMs, 10, 60_000),
    leaseMs: number("RIDEMESH_PAYMENT_LEASE_MS", usual.leaseMs, 100, 600_000),
    sandboxTimeoutMs: number("RIDEMESH_SANDBOX_TIMEOUT_MS", usual.sandboxTimeoutMs, 0, 60_000),
  };
  if (config.leaseMs < 3 * config.gatewayTimeoutMs) {
    throw new Error(
      "RIDEMESH_PAYMENT_LEASE_MS must be at least three times RIDEMESH_GATEWAY_TIMEOUT_MS: " +
        "an attempt asks the gateway up to three times within its lease",
    );
  }
  return config;
}
