/** Riders with access tokens, and the keys by which the tokens are believed. */
import { SignJWT, exportJWK, generateKeyPair, type JSONWebKeySet } from "jose";
import { tokenAudience, tokenIssuer } from "../../services/runtime/token.js";

export type Keys = JSONWebKeySet;

export interface People {
  keys: Keys;
  subjects: string[];
  /** An access token of the nth rider. */
  tokens: string[];
  /** The first rider's claims under a signature that is not good. */
  forged: string;
}

/** Makes riders of the operator "metro". Their tokens live an hour. */
export async function makePeople(count: number): Promise<People> {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const kid = "bench";
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" };
  const subjects = Array.from(
    { length: count },
    (_, i) => `018f3c5e-7a4b-7cc1-8d2e-${String(i).padStart(12, "0")}`,
  );
  const tokens = await Promise.all(
    subjects.map((subject) =>
      new SignJWT({ tenant: "metro", roles: ["rider"], sid: `session-${subject}` })
        .setProtectedHeader({ alg: "RS256", kid })
        .setSubject(subject)
        .setIssuer(tokenIssuer)
        .setAudience(tokenAudience)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
    ),
  );
  const [header, claims, signature] = tokens[0]!.split(".");
  const forged = [header, claims, signature!.split("").reverse().join("")].join(".");
  return { keys: { keys: [jwk] }, subjects, tokens, forged };
}
