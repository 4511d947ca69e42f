import { expect } from "chai";
import { IdentityServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import { goodPassword, newEmail, startWorld, type World } from "./world.test.js";

describe("identity: logging in", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.t.stop());

  const wrong = (email: string) => failure(world.login(email, "not-the-password"));
  const failTimes = async (email: string, times: number) => {
    const reasons: string[] = [];
    for (let i = 0; i < times; i += 1) reasons.push((await wrong(email)).reason);
    return reasons;
  };
  const registered = async () => {
    const email = newEmail();
    return { email, ...(await world.register({ email })) };
  };

  it("starts a session of its own each time", async () => {
    const { email, userId } = await registered();
    const first = await world.login(email.toUpperCase());
    const second = await world.login(email);
    expect(second.session.refreshToken).to.not.equal(first.session.refreshToken);
    const sessions = await world.sql("SELECT 1 FROM sessions WHERE user_id = $1", [userId]);
    expect(sessions).to.have.length(3);
    await waitFor(
      "the events",
      () => world.events.filter((e) => e.key === userId && e.type === "UserLoggedIn").length === 3,
    );
  });

  it("does not say whether the e-mail or the password is wrong", async () => {
    const { email } = await registered();
    const known = await wrong(email);
    const unknown = await wrong(newEmail());
    expect(known).to.include({ code: Code.UNAUTHENTICATED, reason: "BAD_CREDENTIALS" });
    expect(unknown).to.include({ code: known.code, reason: known.reason });
    expect(unknown.message).to.equal(known.message);
  });

  it("is within one operator", async () => {
    const { email } = await registered();
    const request = { operator: "harbor", email, password: goodPassword };
    const call = world.t.call.unary(IdentityServiceService.login, undefined, request);
    expect((await failure(call)).reason).to.equal("BAD_CREDENTIALS");
  });

  it("is locked by the fifth failure, also for the right password, and says for how long", async () => {
    const { email, userId } = await registered();
    expect(await failTimes(email, 5)).to.deep.equal(times(5, "BAD_CREDENTIALS"));
    const error = await failure(world.login(email));
    expect(error).to.include({ code: Code.RESOURCE_EXHAUSTED, reason: "ACCOUNT_LOCKED" });
    const seconds = Number(error.metadata["retry_after_seconds"]);
    expect(seconds).to.be.within(1, 30);
    expect(error.retryAfterMs).to.equal(seconds * 1000);
    const told = await waitFor("AccountLocked", () =>
      world.events.find((e) => e.key === userId && e.type === "AccountLocked"),
    );
    expect(told.event).to.deep.equal({ userId, lockSeconds: 30 });
  });

  it("is open again when the lock is over, and locked for longer by one more failure", async () => {
    const { email } = await registered();
    await failTimes(email, 5);
    world.wall.advance(31);
    expect((await wrong(email)).reason).to.equal("BAD_CREDENTIALS");
    const longer = await failure(world.login(email));
    expect(Number(longer.metadata["retry_after_seconds"])).to.be.within(31, 60);
    world.wall.advance(61);
    expect((await world.login(email)).session.tokenType).to.equal("Bearer");
  });

  it("forgets failures at the first success, and after a day", async () => {
    const { email } = await registered();
    await failTimes(email, 4);
    await world.login(email);
    expect(await failTimes(email, 4)).to.deep.equal(times(4, "BAD_CREDENTIALS"));
    world.wall.advance(24 * 3600 + 1);
    expect(await failTimes(email, 5)).to.deep.equal(times(5, "BAD_CREDENTIALS"));
    expect((await wrong(email)).reason).to.equal("ACCOUNT_LOCKED");
  });

  it("locks an e-mail without an account just the same, but tells nobody", async () => {
    const email = newEmail();
    const before = world.events.filter((e) => e.type === "AccountLocked").length;
    expect(await failTimes(email, 6)).to.deep.equal([
      ...times(5, "BAD_CREDENTIALS"),
      "ACCOUNT_LOCKED",
    ]);
    const { email: other } = await registered();
    await failTimes(other, 5);
    await waitFor(
      "the other's event",
      () => world.events.filter((e) => e.type === "AccountLocked").length > before,
    );
    const locks = world.events.filter((e) => e.type === "AccountLocked");
    expect(locks).to.have.length(before + 1);
  });

  it("gives many guesses at once no more tries than five", async () => {
    for (let round = 0; round < 3; round += 1) {
      const { email } = await registered();
      // The right one comes last: by then the others have locked it, unless it overtook them.
      const guesses = Array.from({ length: 40 }, () => wrong(email));
      const reasons = (await Promise.all(guesses)).map((error) => error.reason);
      expect(reasons.filter((one) => one === "BAD_CREDENTIALS")).to.have.length(5);
      expect(reasons.filter((one) => one === "ACCOUNT_LOCKED")).to.have.length(35);
      expect((await failure(world.login(email))).reason).to.equal("ACCOUNT_LOCKED");
    }
  });

  it("refuses a right guess that was compared while others locked the account", async () => {
    const { email } = await registered();
    const calls = [
      ...Array.from({ length: 40 }, () => wrong(email)),
      world.login(email).then(
        () => ({ reason: "logged in" }),
        (error: { reason: string }) => error,
      ),
    ];
    const last = (await Promise.all(calls)).at(-1)!;
    expect(last.reason).to.equal("ACCOUNT_LOCKED");
  });

  it("lets one person log in many times at once", async () => {
    const { email } = await registered();
    const sessions = await Promise.all(Array.from({ length: 30 }, () => world.login(email)));
    expect(new Set(sessions.map(({ session }) => session.refreshToken)).size).to.equal(30);
  });

  it("tells of a deactivated account only who knows its password", async () => {
    const { email, userId, session } = await registered();
    await world.sql("UPDATE users SET status = 2 WHERE user_id = $1", [userId]);
    const error = await failure(world.login(email));
    expect(error).to.include({ code: Code.PERMISSION_DENIED, reason: "ACCOUNT_DEACTIVATED" });
    expect((await wrong(email)).reason).to.equal("BAD_CREDENTIALS");
    const refresh = await failure(world.refresh(session.refreshToken));
    expect(refresh.reason).to.equal("ACCOUNT_DEACTIVATED");
  });

  it("leaves every try in the audit log", async () => {
    const { email, userId } = await registered();
    await failTimes(email, 5);
    await wrong(email);
    world.wall.advance(31);
    await world.login(email);
    const rows = await world.sql<{ action: string }>(
      "SELECT action FROM auth_audit WHERE user_id = $1 ORDER BY entry_time, action DESC",
      [userId],
    );
    expect(rows.map((row) => row.action)).to.deep.equal([
      "registered",
      ...times(5, "login_failed"),
      "account_locked",
      "login_refused",
      "logged_in",
    ]);
  });
});

function times(count: number, value: string): string[] {
  return Array.from({ length: count }, () => value);
}
