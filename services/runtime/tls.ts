/** Mutual TLS between the services: what a service shows, and whom it takes its peer for. */
import { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js";
import type { PeerCertificate } from "node:tls";
import { peerService } from "./certificates.js";

/** What a service shows of itself. PEM texts. */
export interface TlsIdentity {
  key: string;
  cert: string;
  ca: string;
}

/** A server that takes only peers whose certificate our authority signed. */
export function serverCredentials(identity: TlsIdentity): ServerCredentials {
  return ServerCredentials.createSsl(
    Buffer.from(identity.ca),
    [{ private_key: Buffer.from(identity.key), cert_chain: Buffer.from(identity.cert) }],
    true,
  );
}

/** A client that takes only servers whose certificate our authority signed. */
export function channelCredentials(identity: TlsIdentity): ChannelCredentials {
  return ChannelCredentials.createSsl(
    Buffer.from(identity.ca),
    Buffer.from(identity.key),
    Buffer.from(identity.cert),
  );
}

/** The service behind a verified certificate, by its SPIFFE id; empty when it has none of ours. */
export function peerOfCertificate(certificate: PeerCertificate | undefined): string {
  return peerService(certificate) ?? "";
}
