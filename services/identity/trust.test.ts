import { expect } from "chai";
import { decodeProtectedHeader } from "jose";
import {
  IdentityInternalServiceService,
  type WatchTrustResponse,
} from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { IdentityServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import { graceSeconds, publishSeconds, rotationSeconds } from "./signing-keys.js";
import { sessionIdOf, startWorld, type World } from "./world.test.js";

const { listSigningKeys, logout } = IdentityServiceService;

describe("identity: trust", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.t.stop());

  const kidOf = (accessToken: string) => decodeProtectedHeader(accessToken).kid!;
  const publishedKids = async () => {
    const { keys } = await world.t.call.unary(listSigningKeys, undefined, {});
    return keys.map((key) => key.kid);
  };
  /** Follows WatchTrust as another service does. */
  const watch = (signal: AbortSignal) => {
    const messages: WatchTrustResponse[] = [];
    const client = world.t.internalClient(IdentityInternalServiceService, "identity", "trip");
    const done = (async () => {
      for await (const message of client.watchTrust({}, { signal })) messages.push(message);
    })().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    return { messages, done };
  };

  it("publishes keys as a JWK set and keeps their private halves encrypted", async () => {
    const { keys } = await world.t.call.unary(listSigningKeys, undefined, {});
    expect(keys).to.have.length(1);
    expect(keys[0]).to.include({ kty: "RSA", use: "sig", alg: "RS256", e: "AQAB" });
    const [row] = await world.sql<{ row: string; private_key: Buffer }>(
      "SELECT private_key, public_jwk::text AS row FROM signing_keys",
    );
    expect(row!.row).to.not.include('"d"');
    expect(row!.private_key.toString("latin1")).to.not.include("PRIVATE KEY");
    const pem = world.t.host.secrets.decryptText(row!.private_key);
    expect(pem).to.match(/^-----BEGIN PRIVATE KEY-----/);
  });

  it("is told whole at first, then as it changes", async () => {
    const early = await world.register();
    await world.t.call.unary(logout, early.session.accessToken, {});
    const stop = new AbortController();
    const { messages, done } = watch(stop.signal);
    await waitFor("the first message", () => messages.length === 1);
    expect(messages[0]!.keys.map((key) => key.kid)).to.deep.equal(await publishedKids());
    expect(messages[0]!.revokedSessions.map((one) => one.sessionId)).to.deep.equal([
      sessionIdOf(early.session),
    ]);

    const late = await world.register();
    await world.t.call.unary(logout, late.session.accessToken, {});
    await waitFor("the second message", () => messages.length === 2);
    expect(messages[1]!.keys).to.deep.equal([]);
    const [revoked] = messages[1]!.revokedSessions;
    expect(revoked!.sessionId).to.equal(sessionIdOf(late.session));
    // Until every access token of the session has ended by itself.
    expect(revoked!.expireTime!.getTime()).to.be.at.least(late.session.accessExpireTime!.getTime());
    stop.abort();
    await done;
  });

  it("loses no revocation, however many come at once", async () => {
    const stop = new AbortController();
    const { messages, done } = watch(stop.signal);
    await waitFor("the first message", () => messages.length === 1);
    const sessions = await Promise.all(
      Array.from({ length: 150 }, async () => (await world.register()).session),
    );
    await Promise.all(
      sessions.map(({ accessToken }) => world.t.call.unary(logout, accessToken, {})),
    );
    const told = () =>
      messages
        .slice(1)
        .flatMap(({ revokedSessions }) => revokedSessions.map((one) => one.sessionId));
    await waitFor("all revocations", () => told().length >= sessions.length);
    expect(told().sort()).to.deep.equal(sessions.map(sessionIdOf).sort());
    stop.abort();
    await done;
  });

  it("forgets revocations when the tokens have ended by themselves", async () => {
    const { session } = await world.register();
    await world.t.call.unary(logout, session.accessToken, {});
    world.wall.advance(3600);
    await waitFor("a poll later than that", async () => {
      const stop = new AbortController();
      const { messages, done } = watch(stop.signal);
      await waitFor("the first message", () => messages.length === 1);
      stop.abort();
      await done;
      return messages[0]!.revokedSessions.length === 0;
    });
  });

  it("reaches those who watch another process of the service", async () => {
    const { session } = await world.register();
    const { verifier } = await world.startAnother();
    await waitFor("trust in both", () => verifier.verify(session.accessToken));
    await world.t.call.unary(logout, session.accessToken, {});
    await waitFor("word through the database", () => verifier.isRevoked(sessionIdOf(session)));
    expect((await failure(verifier.verify(session.accessToken))).reason).to.equal("TOKEN_INVALID");
  });

  it("goes over to a new key after 30 days, while tokens of the old one run out", async () => {
    const [oldKid] = await publishedKids();
    world.wall.advance(rotationSeconds);
    const kids = await waitFor("the new key", async () => {
      const found = await publishedKids();
      return found.length === 2 && found;
    });
    expect(kids[1]).to.equal(oldKid);
    const lastOfOld = (await world.register()).session.accessToken;
    expect(kidOf(lastOfOld)).to.equal(oldKid);

    world.wall.advance(publishSeconds);
    const firstOfNew = (await world.register()).session.accessToken;
    expect(kidOf(firstOfNew)).to.equal(kids[0]);
    for (const token of [lastOfOld, firstOfNew]) {
      await waitFor("trust in both keys", () => world.verifier.verify(token));
    }

    world.wall.advance(graceSeconds);
    expect(await publishedKids()).to.deep.equal([kids[0]]);
  });

  it("is taken from a revoked key within seconds, and a new one signs", async () => {
    const { session } = await world.register();
    await waitFor("trust", () => world.verifier.verify(session.accessToken));
    await world.sql("UPDATE signing_keys SET revoke_time = now()");
    await waitFor("distrust", () =>
      world.verifier.verify(session.accessToken).then(
        () => false,
        (error: { reason: string }) => error.reason === "TOKEN_INVALID",
      ),
    );
    let next = session;
    await waitFor("a token of another key", async () => {
      next = await world.refresh(next.refreshToken);
      return kidOf(next.accessToken) !== kidOf(session.accessToken);
    });
    await waitFor("trust in the new key", () => world.verifier.verify(next.accessToken));
  });

  it("is one set of keys when several processes start at once", async () => {
    await world.sql("DELETE FROM signing_keys");
    await Promise.all([world.startAnother(), world.startAnother(), world.startAnother()]);
    const keys = await world.sql("SELECT kid FROM signing_keys");
    expect(keys).to.have.length(1);
  });
});
