/** Settings of the pricing service. */

export interface PricingConfig {
  /** How long a quote holds, in domain seconds. */
  quoteSeconds: number;
  /** A change of a tariff is live within this, in milliseconds. */
  tariffTtlMs: number;
}

export const defaultPricingConfig: PricingConfig = { quoteSeconds: 300, tariffTtlMs: 5000 };

/** From the environment: RIDEMESH_QUOTE_SECONDS, RIDEMESH_TARIFF_TTL_MS. */
export function pricingConfig(env: Record<string, string | undefined>): PricingConfig {
  return {
    quoteSeconds: positive(env, "RIDEMESH_QUOTE_SECONDS", defaultPricingConfig.quoteSeconds),
    tariffTtlMs: positive(env, "RIDEMESH_TARIFF_TTL_MS", defaultPricingConfig.tariffTtlMs),
  };
}

function positive(env: Record<string, string | undefined>, name: string, usual: number): number {
  const text = env[name];
  if (!text) return usual;
  const value = Number(text);
  if (!(Number.isInteger(value) && value > 0)) {
    throw new Error(`${name} must be a whole number above 0, not "${text}"`);
  }
  return value;
}
