/**
 * Quote tokens: the whole quote, signed. Nothing is stored, so any process can redeem any quote.
 * Form: base64url(message) "." base64url(HMAC); the message is protobuf with the fields below.
 */
import { timingSafeEqual } from "node:crypto";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { TripTerms } from "../../gen/grpc/ridemesh/pricing/v1/fare.js";
import type { Secrets } from "../runtime/secrets.js";
import { Code, StatusError, invalidField } from "../runtime/status.js";

/** What a token holds: the terms, and for whom and until when they are. */
export interface QuoteContent {
  tenantId: string;
  riderId: string;
  expireTime: Date;
  terms: TripTerms;
}

const purpose = "pricing-quote";

/** Signs a quote. */
export function sealQuote(secrets: Secrets, content: QuoteContent): string {
  const message = new BinaryWriter()
    .uint32(tag(1))
    .string(content.tenantId)
    .uint32(tag(2))
    .string(content.riderId)
    .uint32(tag(3))
    .string(content.expireTime.toISOString())
    .uint32(tag(4))
    .bytes(TripTerms.encode(content.terms).finish())
    .finish();
  return `${encode(message)}.${encode(secrets.sign(purpose, message))}`;
}

/**
 * The terms of a quote. INVALID_ARGUMENT with QUOTE_INVALID when it was not made here, was changed or
 * is someone else's; FAILED_PRECONDITION with QUOTE_EXPIRED when its time is over at `now`.
 */
export function openQuote(
  secrets: Secrets,
  token: string,
  holder: { tenantId: string; riderId: string },
  now: Date,
): TripTerms {
  const [message, signature] = token.split(".").map((part) => Buffer.from(part, "base64url"));
  if (!message || !signature || !isSigned(secrets, message, signature)) throw invalidQuote();
  // Decoding skips what is not base64url; only the one spelling that was given out is taken.
  if (`${encode(message)}.${encode(signature)}` !== token) throw invalidQuote();
  // From here on the bytes are ours.
  const content = decode(message);
  if (content.tenantId !== holder.tenantId || content.riderId !== holder.riderId) {
    // That it is good for another is nobody's business.
    throw invalidQuote();
  }
  if (content.expireTime <= now) throw expired(content.expireTime);
  return content.terms;
}

function isSigned(secrets: Secrets, message: Buffer, signature: Buffer): boolean {
  const expected = secrets.sign(purpose, message);
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}

function decode(message: Uint8Array): QuoteContent {
  const reader = new BinaryReader(message);
  const field = <T>(number: number, read: () => T): T => {
    if (reader.uint32() !== tag(number)) throw new Error(`a signed quote lacks field ${number}`);
    return read();
  };
  return {
    tenantId: field(1, () => reader.string()),
    riderId: field(2, () => reader.string()),
    expireTime: new Date(field(3, () => reader.string())),
    terms: TripTerms.decode(field(4, () => reader.bytes())),
  };
}

/** Field number and wire type 2, length-delimited, which all four fields are. */
function tag(number: number): number {
  return (number << 3) | 2;
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function invalidQuote(): StatusError {
  return invalidField("quote_token", "is not a quote that was made for you", "QUOTE_INVALID");
}

function expired(expireTime: Date): StatusError {
  const message = `expired at ${expireTime.toISOString()}; ask for a new quote`;
  return new StatusError(Code.FAILED_PRECONDITION, {
    reason: "QUOTE_EXPIRED",
    message: `quote_token: ${message}`,
    metadata: { expire_time: expireTime.toISOString() },
    violations: [{ field: "quote_token", message }],
  });
}
