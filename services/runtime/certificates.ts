/**
 * The platform's own certificate authority for mutual TLS on one machine, and the names in its
 * certificates: SPIFFE ids as Istio writes them, so that a service knows its peers by the same name
 * inside a mesh and outside. Nothing is kept on disk; a certificate lives a day unless more is asked.
 */
// @peculiar/x509 needs it, and needs it first.
import "reflect-metadata/lite";
import * as x509 from "@peculiar/x509";
import type { PeerCertificate } from "node:tls";
import { addSeconds } from "./clock.js";

const defaultTrustDomain = "ridemesh.local";
const namespace = "default";
const daySeconds = 24 * 3600;
/** An authority lives so long: in one process's memory, which it should outlive. */
export const authoritySeconds = 10 * 365 * daySeconds;
/** Clocks of a peer may be behind by as much. */
const backdatedSeconds = 60;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** A DNS label, as Kubernetes demands of service accounts that name services. */
const serviceName = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** What a service shows to its peers, and what it checks theirs with. PEM texts. */
export interface Certificate {
  /** PKCS #8. */
  key: string;
  cert: string;
  /** The authority's own certificate. */
  ca: string;
}

export interface Authority {
  /** PEM text of the authority's own certificate. */
  ca: string;
  /**
   * A new key, and a certificate for it as server and client under the service's SPIFFE id, its name,
   * localhost and 127.0.0.1. `now` is wall time. Lives a day unless told otherwise.
   *
   * @throws RangeError when the name is not a DNS label or the lifetime not positive.
   */
  issue(options: { service: string; now: Date; lifetimeSeconds?: number }): Promise<Certificate>;
}

/** Makes an authority with a key that nobody else has. `now` is wall time. */
export async function createAuthority(options: {
  now: Date;
  trustDomain?: string;
}): Promise<Authority> {
  const { now, trustDomain = defaultTrustDomain } = options;
  const keys = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const name = `O=Ridemesh, CN=${trustDomain}`;
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    serialNumber: serialNumber(),
    notBefore: addSeconds(now, -backdatedSeconds),
    notAfter: addSeconds(now, authoritySeconds),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${trustDomain}` }]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const ca = root.toString("pem");
  const issuerId = await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey);
  return {
    ca,
    issue: async ({ service, now: issued, lifetimeSeconds = daySeconds }) => {
      if (!(lifetimeSeconds > 0)) {
        throw new RangeError(`a certificate cannot live for ${lifetimeSeconds} s`);
      }
      const id = spiffeId(service, trustDomain);
      const own = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `O=Ridemesh, CN=${service}`,
        issuer: name,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        serialNumber: serialNumber(),
        notBefore: addSeconds(issued, -backdatedSeconds),
        notAfter: addSeconds(issued, lifetimeSeconds),
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([
            x509.ExtendedKeyUsage.serverAuth,
            x509.ExtendedKeyUsage.clientAuth,
          ]),
          new x509.SubjectAlternativeNameExtension([
            { type: "url", value: id },
            { type: "dns", value: service },
            { type: "dns", value: "localhost" },
            { type: "ip", value: "127.0.0.1" },
          ]),
          issuerId,
        ],
      });
      const key = await crypto.subtle.exportKey("pkcs8", own.privateKey);
      return {
        key: x509.PemConverter.encode(key, "PRIVATE KEY"),
        cert: certificate.toString("pem"),
        ca,
      };
    },
  };
}

/**
 * The SPIFFE id of a service, in the form that Istio gives to a service account.
 *
 * @throws RangeError when the name is not a DNS label.
 */
export function spiffeId(service: string, trustDomain = defaultTrustDomain): string {
  if (!serviceName.test(service)) throw new RangeError(`"${service}" cannot name a service`);
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${service}`;
}

/**
 * The service that a SPIFFE id names, or that a verified certificate names in its only URI; undefined
 * unless the id is exactly of the form that we issue, in our trust domain.
 */
export function peerService(
  source: string | Pick<PeerCertificate, "subjectaltname"> | undefined,
  trustDomain = defaultTrustDomain,
): string | undefined {
  const uri = typeof source === "string" ? source : onlyUri(source?.subjectaltname);
  const prefix = `spiffe://${trustDomain}/ns/${namespace}/sa/`;
  if (!uri?.startsWith(prefix)) return undefined;
  const service = uri.slice(prefix.length);
  return serviceName.test(service) ? service : undefined;
}

/** SPIFFE wants exactly one URI in a certificate. */
function onlyUri(names: string | undefined): string | undefined {
  // Node puts names that hold its own separator into quotes: one could imitate a name of another kind.
  if (!names || names.includes('"')) return undefined;
  const uris = names.split(", ").filter((name) => name.startsWith("URI:"));
  return uris.length === 1 ? uris[0]!.slice("URI:".length) : undefined;
}

/** Positive, of 16 bytes, almost all of them random (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
