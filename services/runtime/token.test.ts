import { expect } from "chai";
import {
  SignJWT,
  UnsecuredJWT,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
} from "jose";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { failure } from "../testing/failure.js";
import { movableWall, type MovableWall } from "../testing/movable-wall.js";
import { Code } from "./status.js";
import {
  createTokenVerifier,
  roleName,
  tokenAudience,
  tokenIssuer,
  type TokenVerifier,
} from "./token.js";

interface TestKey {
  jwk: JWK;
  publicKey: CryptoKey;
  privateKey: CryptoKey;
}

async function makeKey(kid: string): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  return { publicKey, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256" } };
}

describe("token verifier", () => {
  let key: TestKey;
  let other: TestKey;
  let wall: MovableWall;
  let verifier: TokenVerifier;
  before(async () => {
    [key, other] = await Promise.all([makeKey("one"), makeKey("two")]);
  });
  beforeEach(() => {
    wall = movableWall();
    verifier = createTokenVerifier(wall);
    verifier.setKeys({ keys: [key.jwk] });
  });

  const claims = { tenant: "metro", roles: ["rider"], sid: "session-1" };
  const unsigned = (
    content: Record<string, unknown> = claims,
    header: JWTHeaderParameters = { alg: "RS256", kid: "one" },
  ) => {
    const seconds = Math.floor(wall.now().getTime() / 1000);
    return new SignJWT(content)
      .setProtectedHeader(header)
      .setSubject("user-1")
      .setIssuer(tokenIssuer)
      .setAudience(tokenAudience)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 900);
  };
  const refused = async (token: string) => {
    const error = await failure(verifier.verify(token));
    expect(error).to.include({
      code: Code.UNAUTHENTICATED,
      reason: "TOKEN_INVALID",
      domain: "ridemesh",
    });
    return error.message;
  };

  it("says whom a good token speaks for", async () => {
    const caller = await verifier.verify(await unsigned().sign(key.privateKey));
    expect(caller).to.deep.include({
      subject: "user-1",
      tenantId: "metro",
      roles: [Role.RIDER],
      sessionId: "session-1",
      anonymous: false,
    });
    expect(caller.expireTime.getTime()).to.be.above(wall.now().getTime());
  });

  it("leaves out roles that it does not know", async () => {
    const roles = ["driver", "emperor", 7, null];
    const token = await unsigned({ ...claims, roles }).sign(key.privateKey);
    expect((await verifier.verify(token)).roles).to.deep.equal([Role.DRIVER]);
    const none = await unsigned({ ...claims, roles: "admin" }).sign(key.privateKey);
    expect((await verifier.verify(none)).roles).to.deep.equal([]);
  });

  it("refuses a token that has ended, also one that it knew", async () => {
    const token = await unsigned().sign(key.privateKey);
    await verifier.verify(token);
    wall.advance(901);
    expect(await refused(token)).to.equal("the token has expired");
    expect(await refused(token)).to.equal("the token has expired");
    const never = createTokenVerifier(wall);
    never.setKeys({ keys: [key.jwk] });
    expect((await failure(never.verify(token))).message).to.equal("the token has expired");
  });

  it("refuses other issuers and audiences", async () => {
    await refused(await unsigned().setIssuer("https://other.example").sign(key.privateKey));
    await refused(await unsigned().setAudience("another").sign(key.privateKey));
  });

  it("refuses tokens without subject, tenant, session or end", async () => {
    for (const missing of ["tenant", "sid"]) {
      const rest = Object.fromEntries(Object.entries(claims).filter(([name]) => name !== missing));
      await refused(await unsigned(rest).sign(key.privateKey));
    }
    await refused(await unsigned().setSubject("").sign(key.privateKey));
    const endless = new SignJWT({ ...claims, sub: "user-1" })
      .setProtectedHeader({ alg: "RS256", kid: "one" })
      .setIssuer(tokenIssuer)
      .setAudience(tokenAudience);
    await refused(await endless.sign(key.privateKey));
  });

  it("refuses another signer's token under a key id that it knows", async () => {
    await refused(await unsigned().sign(other.privateKey));
  });

  it("refuses a key that it was not told of, until it is", async () => {
    const token = await unsigned(claims, { alg: "RS256", kid: "two" }).sign(other.privateKey);
    await refused(token);
    verifier.setKeys({ keys: [other.jwk, key.jwk] });
    expect((await verifier.verify(token)).subject).to.equal("user-1");
  });

  it("refuses tokens of a key that was taken back, also those that it knew", async () => {
    const token = await unsigned().sign(key.privateKey);
    await verifier.verify(token);
    verifier.setKeys({ keys: [other.jwk] });
    await refused(token);
  });

  it("refuses unsigned tokens, and the public key used as a shared secret", async () => {
    const payload = { ...claims, sub: "user-1", iss: tokenIssuer, aud: tokenAudience };
    await refused(new UnsecuredJWT(payload).setExpirationTime("1h").encode());
    const secret = new TextEncoder().encode(await exportSPKI(key.publicKey));
    await refused(await unsigned(claims, { alg: "HS256", kid: "one" }).sign(secret));
  });

  it("refuses what is no token, and tokens that were changed", async () => {
    const token = await unsigned().sign(key.privateKey);
    const [header, , signature] = token.split(".");
    const payload = Buffer.from(JSON.stringify({ ...claims, roles: ["admin"] }));
    for (const text of [
      "",
      "x",
      "a.b.c",
      token.slice(0, -4),
      `${header}.${payload.toString("base64url")}.${signature}`,
    ]) {
      await refused(text);
    }
  });

  it("can say nothing before it knows a key", async () => {
    const blank = createTokenVerifier(wall);
    const token = await unsigned().sign(key.privateKey);
    expect(await failure(blank.verify(token))).to.include({ code: Code.UNAVAILABLE });
  });

  describe("when a session is revoked", () => {
    const until = () => new Date(wall.now().getTime() + 960_000);

    it("refuses its tokens, known and new, and no others", async () => {
      const known = await unsigned().sign(key.privateKey);
      await verifier.verify(known);
      verifier.revokeSession("session-1", until());
      expect(await refused(known)).to.equal("the session has ended");
      wall.advance(1);
      await refused(await unsigned().sign(key.privateKey));
      const another = await unsigned({ ...claims, sid: "session-2" }).sign(key.privateKey);
      expect((await verifier.verify(another)).sessionId).to.equal("session-2");
    });

    it("tells those who wait for it, at once when it has happened already", () => {
      const heard: string[] = [];
      verifier.onRevoked("session-1", () => heard.push("first"));
      const stop = verifier.onRevoked("session-1", () => heard.push("stopped"));
      verifier.onRevoked("session-2", () => heard.push("other"));
      stop();
      verifier.revokeSession("session-1", until());
      verifier.onRevoked("session-1", () => heard.push("late"));
      expect(heard).to.deep.equal(["first", "late"]);
    });

    it("remembers it until the tokens have ended by themselves", () => {
      verifier.revokeSession("session-1", until());
      wall.advance(961);
      verifier.revokeSession("session-2", until());
      expect(verifier.isRevoked("session-1")).to.equal(false);
      expect(verifier.isRevoked("session-2")).to.equal(true);
    });
  });

  it("names every role as tokens write it, and nothing else", () => {
    const roles = [Role.RIDER, Role.DRIVER, Role.ADMIN, Role.SUPPORT, Role.FLEET];
    expect(roles.map(roleName)).to.deep.equal(["rider", "driver", "admin", "support", "fleet"]);
    expect(() => roleName(Role.UNSPECIFIED)).to.throw("has no name");
  });
});
