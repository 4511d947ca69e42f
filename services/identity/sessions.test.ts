import { expect } from "chai";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { IdentityServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import { newEmail, sessionIdOf, startWorld, type World } from "./world.test.js";

const { logout, validateToken, createStreamTicket } = IdentityServiceService;

describe("identity: sessions", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.t.stop());

  const validate = (accessToken: string) => world.t.call.unary(validateToken, accessToken, {});
  const eventsOf = (userId: string, type: string) =>
    world.events.filter((e) => e.key === userId && e.type === type);
  const generationOf = async (sessionId: string) => {
    const query = "SELECT generation FROM sessions WHERE session_id = $1";
    return (await world.sql<{ generation: number }>(query, [sessionId]))[0]!.generation;
  };

  describe("access tokens", () => {
    it("say who, for which operator, in which session, and until when", async () => {
      const { session, userId } = await world.register({ role: Role.DRIVER });
      const claims = decodeJwt(session.accessToken);
      const names = "aud exp iat iss permissions roles scope sid sub tenant";
      expect(Object.keys(claims).sort().join(" ")).to.equal(names);
      expect(claims).to.deep.include({
        sub: userId,
        tenant: "metro",
        roles: ["driver"],
        aud: "ridemesh",
        iss: "https://ridemesh.local",
      });
      expect(claims["permissions"]).to.include("trip:update:assigned");
      expect(claims.exp! - claims.iat!).to.equal(15 * 60);
      expect(session.accessExpireTime).to.deep.equal(new Date(claims.exp! * 1000));
      const header = decodeProtectedHeader(session.accessToken);
      expect(header).to.include({ alg: "RS256" });
      expect(header.kid).to.have.length.above(20);
    });

    it("end after 15 minutes", async () => {
      const { session } = await world.register();
      world.wall.advance(15 * 60 + 1);
      const error = await failure(validate(session.accessToken));
      expect(error).to.include({ code: Code.UNAUTHENTICATED, reason: "TOKEN_INVALID" });
      expect((await world.refresh(session.refreshToken)).accessToken).to.not.equal(
        session.accessToken,
      );
    });

    it("of another signer are refused", async () => {
      const token = await world.t.token({ subject: "someone", roles: [Role.ADMIN] });
      expect((await failure(validate(token))).reason).to.equal("TOKEN_INVALID");
    });
  });

  describe("refreshing", () => {
    it("gives new tokens of the same session, and keeps its end", async () => {
      const { session, userId } = await world.register();
      world.wall.advance(60);
      const next = await world.refresh(session.refreshToken);
      expect(next.refreshToken).to.not.equal(session.refreshToken);
      expect(sessionIdOf(next)).to.equal(sessionIdOf(session));
      expect(next.refreshExpireTime).to.deep.equal(session.refreshExpireTime);
      expect((await validate(next.accessToken)).userId).to.equal(userId);
      const event = await waitFor("the event", () => eventsOf(userId, "TokenRefreshed")[0]);
      expect(event.event).to.deep.equal({ userId, sessionId: sessionIdOf(session) });
    });

    it("takes over what roles the account has by now", async () => {
      const { session, userId } = await world.register();
      await world.sql("UPDATE users SET roles = '{2}' WHERE user_id = $1", [userId]);
      const next = await world.refresh(session.refreshToken);
      expect(decodeJwt(next.accessToken)["roles"]).to.deep.equal(["driver"]);
    });

    it("may be repeated for ten seconds, with the same successor", async () => {
      const { session } = await world.register();
      const first = await world.refresh(session.refreshToken);
      world.wall.advance(9);
      const again = await world.refresh(session.refreshToken);
      expect(again.refreshToken).to.equal(first.refreshToken);
      expect((await validate(again.accessToken)).tenantId).to.equal("metro");
      expect(await generationOf(sessionIdOf(session))).to.equal(1);
      expect((await world.refresh(again.refreshToken)).tokenType).to.equal("Bearer");
    });

    it("of one token 100 times at once forks no family", async () => {
      for (let round = 0; round < 3; round += 1) {
        const { session, userId } = await world.register();
        const answers = await Promise.all(
          Array.from({ length: 100 }, () => world.refresh(session.refreshToken)),
        );
        expect(new Set(answers.map((one) => one.refreshToken)).size).to.equal(1);
        expect(await generationOf(sessionIdOf(session))).to.equal(1);
        const sessions = await world.sql("SELECT 1 FROM sessions WHERE user_id = $1", [userId]);
        expect(sessions).to.have.length(1);
        const next = await world.refresh(answers[0]!.refreshToken);
        expect((await validate(next.accessToken)).userId).to.equal(userId);
      }
    });

    it("with a token spent before the last one ends the session everywhere, once", async () => {
      const { session, userId } = await world.register();
      const second = await world.refresh(session.refreshToken);
      const third = await world.refresh(second.refreshToken);
      const calls = Array.from({ length: 20 }, () => failure(world.refresh(session.refreshToken)));
      for (const error of await Promise.all(calls)) {
        expect(error).to.include({ code: Code.UNAUTHENTICATED, reason: "REFRESH_TOKEN_REUSED" });
      }
      // In this process at once, elsewhere as soon as the word has spread.
      for (const { accessToken } of [session, second, third]) {
        expect((await failure(validate(accessToken))).reason).to.equal("TOKEN_INVALID");
      }
      await waitFor("the revocation", () => world.verifier.isRevoked(sessionIdOf(session)));
      expect((await failure(world.refresh(third.refreshToken))).reason).to.equal(
        "REFRESH_TOKEN_INVALID",
      );
      const raised = await waitFor("the event", () => {
        const found = eventsOf(userId, "SuspiciousActivityDetected");
        return found.length > 0 && found;
      });
      const event = { userId, sessionId: sessionIdOf(session), activity: "refresh_token_reused" };
      expect(raised.map((one) => one.event)).to.deep.equal([event]);
    });

    it("with the last spent token is reuse after ten seconds", async () => {
      const { session } = await world.register();
      await world.refresh(session.refreshToken);
      world.wall.advance(11);
      const error = await failure(world.refresh(session.refreshToken));
      expect(error.reason).to.equal("REFRESH_TOKEN_REUSED");
    });

    it("leaves the account's other sessions alone when one is stolen", async () => {
      const email = newEmail();
      const stolen = await world.register({ email });
      const other = await world.login(email);
      await world.refresh(stolen.session.refreshToken);
      world.wall.advance(11);
      await failure(world.refresh(stolen.session.refreshToken));
      expect((await world.refresh(other.session.refreshToken)).tokenType).to.equal("Bearer");
    });

    it("ends after 30 days, however often it was done", async () => {
      const { session } = await world.register();
      let current = session;
      for (let day = 0; day < 29; day += 1) {
        world.wall.advance(24 * 3600);
        current = await world.refresh(current.refreshToken);
      }
      world.wall.advance(24 * 3600 - 300);
      const last = await world.refresh(current.refreshToken);
      expect(last.accessExpireTime!.getTime()).to.be.at.most(session.refreshExpireTime!.getTime());
      world.wall.advance(301);
      expect((await failure(world.refresh(last.refreshToken))).reason).to.equal(
        "REFRESH_TOKEN_INVALID",
      );
    });

    it("takes no made-up token", async () => {
      const { session } = await world.register();
      const changed = Buffer.from(session.refreshToken, "base64url");
      changed[0]! ^= 1;
      for (const token of [
        "nonsense",
        changed.toString("base64url"),
        session.accessToken.slice(0, 200),
      ]) {
        const error = await failure(world.refresh(token));
        expect(error).to.include({ code: Code.UNAUTHENTICATED, reason: "REFRESH_TOKEN_INVALID" });
      }
      expect((await world.refresh(session.refreshToken)).tokenType).to.equal("Bearer");
    });
  });

  describe("logging out", () => {
    it("ends the session at once, for access, refresh and streams", async () => {
      const { session, userId } = await world.register();
      const { accessToken, refreshToken } = session;
      const { ticket } = await world.t.call.unary(createStreamTicket, accessToken, {});
      await world.t.call.unary(logout, accessToken, {});
      expect((await failure(validate(accessToken))).reason).to.equal("TOKEN_INVALID");
      expect((await failure(world.refresh(refreshToken))).reason).to.equal("REFRESH_TOKEN_INVALID");
      expect((await failure(redeem(ticket))).reason).to.equal("TICKET_INVALID");
      const event = await waitFor("the event", () => eventsOf(userId, "UserLoggedOut")[0]);
      expect(event.event).to.deep.equal({ userId, sessionId: sessionIdOf(session) });
    });

    it("leaves the account's other sessions alone", async () => {
      const email = newEmail();
      const { session } = await world.register({ email });
      const other = await world.login(email);
      await world.t.call.unary(logout, session.accessToken, {});
      expect((await validate(other.session.accessToken)).tenantId).to.equal("metro");
    });

    it("many times at once is logging out once", async () => {
      const { session, userId } = await world.register();
      const calls = Array.from({ length: 20 }, () =>
        world.t.call.unary(logout, session.accessToken, {}).then(
          () => "done",
          (error: { reason: string }) => error.reason,
        ),
      );
      // Some come after the session has ended, and are told so.
      const results = new Set(await Promise.all(calls));
      expect([...results]).to.include("done");
      results.delete("done");
      results.delete("TOKEN_INVALID");
      expect(results.size).to.equal(0);
      await waitFor("the event", () => eventsOf(userId, "UserLoggedOut").length === 1);
      const rows = await world.sql(
        "SELECT 1 FROM auth_audit WHERE user_id = $1 AND action = 'logged_out'",
        [userId],
      );
      expect(rows).to.have.length(1);
    });

    it("races with refreshing without leaving a token that works", async () => {
      for (let round = 0; round < 10; round += 1) {
        const { session } = await world.register();
        const [refreshed] = await Promise.all([
          world.refresh(session.refreshToken).catch(() => undefined),
          world.t.call.unary(logout, session.accessToken, {}),
        ]);
        if (!refreshed) continue;
        expect((await failure(validate(refreshed.accessToken))).reason).to.equal("TOKEN_INVALID");
        expect((await failure(world.refresh(refreshed.refreshToken))).reason).to.equal(
          "REFRESH_TOKEN_INVALID",
        );
      }
    });
  });

  const redeem = (ticket: string) =>
    world.t
      .internalClient(IdentityInternalServiceService, "identity", "gateway")
      .redeemStreamTicket({ ticket });

  describe("a stream ticket", () => {
    const ticketOf = async (accessToken: string) =>
      (await world.t.call.unary(createStreamTicket, accessToken, {})).ticket;

    it("is worth one access token of its session", async () => {
      const { session, userId } = await world.register();
      const ticket = await ticketOf(session.accessToken);
      expect(ticket.length).to.be.at.most(100);
      const { accessToken } = await redeem(ticket);
      expect(decodeJwt(accessToken)).to.include({ sub: userId, sid: sessionIdOf(session) });
      expect((await validate(accessToken)).userId).to.equal(userId);
      const error = await failure(redeem(ticket));
      expect(error).to.include({ code: Code.UNAUTHENTICATED, reason: "TICKET_INVALID" });
    });

    it("is redeemed once when it is tried 50 times at once", async () => {
      const { session } = await world.register();
      const ticket = await ticketOf(session.accessToken);
      const calls = Array.from({ length: 50 }, () =>
        redeem(ticket).then(
          () => "redeemed",
          (error: { reason: string }) => error.reason,
        ),
      );
      const results = await Promise.all(calls);
      expect(results.filter((one) => one === "redeemed")).to.have.length(1);
      expect(results.filter((one) => one === "TICKET_INVALID")).to.have.length(49);
    });

    it("runs out after 30 seconds", async () => {
      const { session } = await world.register();
      const inTime = await ticketOf(session.accessToken);
      const late = await ticketOf(session.accessToken);
      world.wall.advance(29);
      expect((await redeem(inTime)).accessToken).to.have.length.above(100);
      world.wall.advance(2);
      expect((await failure(redeem(late))).reason).to.equal("TICKET_INVALID");
      expect((await failure(redeem("made-up"))).reason).to.equal("TICKET_INVALID");
    });

    it("gives no token that outlives its session", async () => {
      const { session } = await world.register();
      world.wall.advance(30 * 24 * 3600 - 60);
      const current = await world.refresh(session.refreshToken);
      // So much later a new key has signed it, which is trusted when the word has spread.
      await waitFor("trust in it", () => validate(current.accessToken));
      const { accessToken } = await redeem(await ticketOf(current.accessToken));
      const end = decodeJwt(accessToken).exp! * 1000;
      expect(end).to.be.at.most(session.refreshExpireTime!.getTime());
    });

    it("is redeemed by the gateway only", async () => {
      const { session } = await world.register();
      const ticket = await ticketOf(session.accessToken);
      const client = world.t.internalClient(IdentityInternalServiceService, "identity", "trip");
      const error = await failure(client.redeemStreamTicket({ ticket }));
      expect(error).to.include({ code: Code.PERMISSION_DENIED, reason: "CALLER_NOT_ALLOWED" });
    });
  });
});
