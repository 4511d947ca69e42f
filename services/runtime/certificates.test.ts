import { expect } from "chai";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import { createAuthority, peerService, spiffeId, type Certificate } from "./certificates.js";
import { addSeconds, wallClock } from "./clock.js";
// Only after certificates.js, which prepares the ground for it.
import * as x509 from "@peculiar/x509";

const now = wallClock.now();
const day = 24 * 3600;

describe("certificates", () => {
  describe("issued by the authority", () => {
    it("name the service as SPIFFE id and DNS name, and this machine", async () => {
      const authority = await createAuthority({ now });
      const { cert, ca, key } = await authority.issue({ service: "trip", now });
      const parsed = new X509Certificate(cert);
      expect(parsed.subjectAltName).to.equal(
        "URI:spiffe://ridemesh.local/ns/default/sa/trip, DNS:trip, DNS:localhost, IP Address:127.0.0.1",
      );
      expect(parsed.ca).to.equal(false);
      expect(parsed.checkIssued(new X509Certificate(ca))).to.equal(true);
      expect(parsed.verify(new X509Certificate(ca).publicKey)).to.equal(true);
      expect(parsed.checkPrivateKey(createPrivateKey(key))).to.equal(true);
      expect(ca).to.equal(authority.ca);
      expect(new X509Certificate(ca).ca).to.equal(true);
    });

    it("live a day, or as long as asked", async () => {
      const authority = await createAuthority({ now });
      const endOf = async (lifetimeSeconds?: number) => {
        const { cert } = await authority.issue({ service: "trip", now, lifetimeSeconds });
        return new Date(new X509Certificate(cert).validTo);
      };
      expect(await endOf()).to.deep.equal(wholeSeconds(addSeconds(now, day)));
      expect(await endOf(90)).to.deep.equal(wholeSeconds(addSeconds(now, 90)));
    });

    it("differ in key and serial number each time", async () => {
      const authority = await createAuthority({ now });
      const issued = await Promise.all(
        Array.from({ length: 20 }, () => authority.issue({ service: "trip", now })),
      );
      const serials = issued.map(({ cert }) => new X509Certificate(cert).serialNumber);
      expect(new Set(serials)).to.have.property("size", 20);
      expect(new Set(issued.map(({ key }) => key))).to.have.property("size", 20);
      for (const serial of serials) expect(serial).to.match(/^[4-7][0-9A-F]{31}$/);
    });

    for (const service of [
      "",
      "Trip",
      "trip/x",
      "trip.x",
      "-trip",
      "trip-",
      "a".repeat(64),
      "t p",
    ]) {
      it(`are refused for the name ${JSON.stringify(service)}`, async () => {
        const authority = await createAuthority({ now });
        const outcome = await authority.issue({ service, now }).catch((error: unknown) => error);
        expect(outcome).to.be.instanceOf(RangeError);
      });
    }

    for (const lifetimeSeconds of [0, -1, Number.NaN]) {
      it(`are refused a lifetime of ${lifetimeSeconds} s`, async () => {
        const authority = await createAuthority({ now });
        const asked = authority.issue({ service: "trip", now, lifetimeSeconds });
        expect(await asked.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
      });
    }
  });

  describe("in a TLS handshake where both sides verify", () => {
    it("let two services of one authority talk, each knowing the other", async () => {
      const authority = await createAuthority({ now });
      const server = await authority.issue({ service: "trip", now });
      const client = await authority.issue({ service: "dispatch", now });
      expect(await handshake(server, client)).to.deep.equal({ server: "trip", client: "dispatch" });
    });

    it("let a service with a renewed certificate talk to one with an old one", async () => {
      const authority = await createAuthority({ now: addSeconds(now, -day) });
      const old = addSeconds(now, -day + 600);
      const server = await authority.issue({ service: "trip", now: old });
      const client = await authority.issue({ service: "dispatch", now });
      expect(await handshake(server, client)).to.deep.equal({ server: "trip", client: "dispatch" });
    });

    it("are refused from an authority of the same name but another key, on either side", async () => {
      const [ours, foreign] = await Promise.all([
        createAuthority({ now }),
        createAuthority({ now }),
      ]);
      const own = await ours.issue({ service: "trip", now });
      const strange = { ...(await foreign.issue({ service: "admin", now })), ca: ours.ca };
      expect(await refusal(strange, own)).to.match(/^(client|server): UNABLE_TO_/);
      expect(await refusal(own, strange)).to.match(/^server: UNABLE_TO_/);
    });

    it("are refused when expired or not yet valid, on either side", async () => {
      const authority = await createAuthority({ now: addSeconds(now, -3 * day) });
      const valid = await authority.issue({ service: "trip", now });
      const expired = await authority.issue({ service: "rider", now: addSeconds(now, -2 * day) });
      const early = await authority.issue({ service: "rider", now: addSeconds(now, 2 * day) });
      expect(await refusal(expired, valid)).to.match(/^client: CERT_HAS_EXPIRED/);
      expect(await refusal(valid, expired)).to.equal("server: CERT_HAS_EXPIRED");
      expect(await refusal(early, valid)).to.match(/^client: CERT_NOT_YET_VALID/);
      expect(await refusal(valid, early)).to.equal("server: CERT_NOT_YET_VALID");
    });

    it("are refused when a service has signed them", async () => {
      const authority = await createAuthority({ now });
      const own = await authority.issue({ service: "trip", now });
      const forged = await signedBy(await authority.issue({ service: "rider", now }), "admin");
      expect(await refusal(forged, own)).to.match(/^client: .*key usage/);
      expect(await refusal(own, forged)).to.match(/^server: /);
    });
  });

  describe("the peer's service", () => {
    const good = "spiffe://ridemesh.local/ns/default/sa/trip";

    for (const [id, service] of [
      [good, "trip"],
      ["spiffe://ridemesh.local/ns/default/sa/trip-history2", "trip-history2"],
      ["spiffe://ridemesh.example/ns/default/sa/trip", undefined],
      ["spiffe://ridemesh.local.example/ns/default/sa/trip", undefined],
      ["spiffe://ridemesh.local:8443/ns/default/sa/trip", undefined],
      ["spiffe://user@ridemesh.local/ns/default/sa/trip", undefined],
      ["SPIFFE://ridemesh.local/ns/default/sa/trip", undefined],
      ["https://ridemesh.local/ns/default/sa/trip", undefined],
      ["spiffe://ridemesh.local/ns/other/sa/trip", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/trip/", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/../trip", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/trip/x", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/tr%69p", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/Trip", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/trip?x", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/trip#x", undefined],
      ["spiffe://ridemesh.local/ns/default/sa/trip\n", undefined],
      [` ${good}`, undefined],
      ["spiffe://ridemesh.local", undefined],
      ["trip", undefined],
      ["", undefined],
    ] as const) {
      it(`is ${service ?? "none"} for ${JSON.stringify(id)}`, () => {
        expect(peerService(id)).to.equal(service);
      });
    }

    for (const [names, service] of [
      [`URI:${good}`, "trip"],
      [`DNS:trip, URI:${good}, IP Address:127.0.0.1`, "trip"],
      ["DNS:trip", undefined],
      [`DNS:${good}`, undefined],
      [`URI:${good}, URI:spiffe://ridemesh.local/ns/default/sa/admin`, undefined],
      [`URI:https://example.com, URI:${good}`, undefined],
      [`DNS:"x, URI:${good}, y"`, undefined],
      [undefined, undefined],
    ] as const) {
      it(`is ${service ?? "none"} for a certificate with ${names ?? "no names"}`, () => {
        expect(peerService(names === undefined ? {} : { subjectaltname: names })).to.equal(service);
      });
    }

    it("is none without a certificate", () => {
      expect(peerService(undefined)).to.equal(undefined);
    });

    it("is found in another trust domain only when that is ours", async () => {
      const authority = await createAuthority({ now, trustDomain: "city.example" });
      const { cert } = await authority.issue({ service: "trip", now });
      const subjectaltname = new X509Certificate(cert).subjectAltName!;
      expect(peerService({ subjectaltname })).to.equal(undefined);
      expect(peerService({ subjectaltname }, "city.example")).to.equal("trip");
      expect(peerService(spiffeId("trip", "city.example"), "city.example")).to.equal("trip");
    });
  });
});

/** A real handshake: whom each side takes the other for. Rejects with the side that refused, and why. */
async function handshake(
  server: Certificate,
  client: Certificate,
): Promise<{ server?: string; client?: string }> {
  const options = { requestCert: true, rejectUnauthorized: true };
  const listener = tls.createServer({ ...server, ...options }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ ...client, ...options, host: "127.0.0.1", port });
  try {
    return await new Promise((resolve, reject) => {
      listener.once("tlsClientError", (_, refused: TLSSocket) => {
        const reason = refused.authorizationError;
        if (reason) reject(new Error(`server: ${String(reason)}`));
      });
      listener.once("secureConnection", (accepted: TLSSocket) => {
        const known = accepted.getPeerCertificate();
        accepted.on("error", reject).end("welcome");
        // The client reads this only when both have checked the other.
        socket.once("data", () =>
          resolve({
            client: peerService(known),
            server: peerService(socket.getPeerCertificate()),
          }),
        );
      });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        // A client that was refused sees no more than that; the server knows why.
        const wasRefused = /ALERT|ECONNRESET/.test(error.code ?? "");
        if (!wasRefused) reject(new Error(`client: ${error.code} ${error.message}`));
      });
    });
  } finally {
    socket.destroy();
    listener.close();
  }
}

async function refusal(server: Certificate, client: Certificate): Promise<string> {
  return handshake(server, client).then(
    () => "accepted",
    (error: Error) => error.message,
  );
}

/** What a service could make for itself if its certificate were good for signing others. */
async function signedBy(signer: Certificate, service: string): Promise<Certificate> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const pkcs8 = createPrivateKey(signer.key).export({ type: "pkcs8", format: "der" });
  const signingKey = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const forged = await x509.X509CertificateGenerator.create({
    subject: `O=Ridemesh, CN=${service}`,
    issuer: new x509.X509Certificate(signer.cert).subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    notBefore: now,
    notAfter: addSeconds(now, day),
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: "url", value: spiffeId(service) },
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    key: x509.PemConverter.encode(key, "PRIVATE KEY"),
    cert: `${forged.toString("pem")}\n${signer.cert}`,
    ca: signer.ca,
  };
}

function wholeSeconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000);
}
