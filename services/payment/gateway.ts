/** The port to who moves money on cards. */

/** A charge to be made. */
export interface CardCharge {
  /** The gateway carries a key out once; a repetition gets the first answer. */
  key: string;
  amountMinor: bigint;
  currencyCode: string;
  cardToken: string;
}

/** What became of a charge. Unknown: it may have happened or not, or may yet. */
export type ChargeOutcome =
  { status: "succeeded" } | { status: "declined"; failure: string } | { status: "unknown" };

/** What a person knows a card by. */
export interface CardFace {
  brand: string;
  lastFour: string;
}

/** A gateway. An error that a method throws means that the outcome is unknown. */
export interface Gateway {
  /** The card behind a token; undefined when the token is not one of the gateway's. */
  describeCard(token: string): Promise<CardFace | undefined>;
  charge(charge: CardCharge): Promise<ChargeOutcome>;
  /** What became of a key; absent: the gateway has never heard of it, though it may still. */
  lookup(key: string): Promise<ChargeOutcome | { status: "absent" }>;
  /**
   * Makes sure that a key which was never heard of will never be charged, also when the charge is
   * still on its way: it is declined with `cancelledFailure`. What has happened stays as it is.
   */
  cancel(key: string): Promise<ChargeOutcome>;
}

/** The failure of a charge that was cancelled before it came to pass. */
export const cancelledFailure = "gateway_timeout";
