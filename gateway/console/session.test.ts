import { expect } from "chai";
import { createSession, type SessionDeps, type Tokens } from "./session.js";

const credentials = { operator: "metro", email: "vera@example.com", password: "secret" };

/** An identity service that rotates refresh tokens, and the storage of a tab. */
function world() {
  const kept = new Map<string, string>();
  const state: {
    nowMs: number;
    valid: string;
    issued: number;
    refreshes: number;
    fail?: Error | undefined;
  } = { nowMs: 1_000_000, valid: "", issued: 0, refreshes: 0 };
  const issue = (): Tokens => {
    state.issued++;
    state.valid = `refresh-${state.issued}`;
    return {
      accessToken: `access-${state.issued}`,
      refreshToken: state.valid,
      accessExpireMs: state.nowMs + 900_000,
    };
  };
  const deps: SessionDeps = {
    login: ({ password }) =>
      password === "secret" ? Promise.resolve(issue()) : Promise.reject(new Error("refused")),
    refresh: (token) => {
      state.refreshes++;
      if (state.fail) return Promise.reject(state.fail);
      return token === state.valid
        ? Promise.resolve(issue())
        : Promise.reject(new Error("the refresh token is spent"));
    },
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    },
    nowMs: () => state.nowMs,
  };
  return { state, kept, deps, session: createSession(deps) };
}

const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no failure",
    (error: Error) => error.message,
  );

describe("a session", () => {
  it("has no token before the login", async () => {
    const { session } = world();
    expect(await session.token()).to.equal(undefined);
    expect(await session.resume()).to.be.false;
    expect(await failure(session.renew())).to.equal("there is no session");
  });

  it("keeps the refresh token of a login in the tab, and never the access token", async () => {
    const { session, kept } = world();
    await session.login(credentials);
    expect(await session.token()).to.equal("access-1");
    expect(session.operator()).to.equal("metro");
    const text = [...kept.values()].join();
    expect(text).to.include("refresh-1");
    expect(text).to.not.include("access-1");
    expect(text).to.not.include("secret");
  });

  it("keeps nothing of a login that was refused", async () => {
    const { session, kept } = world();
    expect(await failure(session.login({ ...credentials, password: "x" }))).to.equal("refused");
    expect(kept.size).to.equal(0);
    expect(await session.token()).to.equal(undefined);
  });

  it("renews the token when less than a minute is left of it", async () => {
    const { session, state } = world();
    await session.login(credentials);
    state.nowMs += 840_000;
    expect(await session.token()).to.equal("access-1");
    state.nowMs += 1;
    expect(await session.token()).to.equal("access-2");
  });

  it("spends a refresh token once, however many ask", async () => {
    const { session, state } = world();
    await session.login(credentials);
    state.nowMs += 899_000;
    const tokens = await Promise.all([session.token(), session.token(), session.renew()]);
    expect(tokens).to.deep.equal(["access-2", "access-2", undefined]);
    expect(state.refreshes).to.equal(1);
  });

  it("uses what is left of a token while it cannot be renewed", async () => {
    const { session, state } = world();
    await session.login(credentials);
    state.fail = new Error("no network");
    state.nowMs += 870_000;
    expect(await session.token()).to.equal("access-1");
    state.nowMs += 30_000;
    expect(await failure(session.token())).to.equal("no network");
    state.fail = undefined;
    expect(await session.token()).to.equal("access-2");
  });

  it("goes on after a reload", async () => {
    const { session, deps } = world();
    await session.login(credentials);
    const reloaded = createSession(deps);
    expect(await reloaded.resume()).to.be.true;
    expect(reloaded.operator()).to.equal("metro");
    expect(await reloaded.token()).to.equal("access-2");
    const again = createSession(deps);
    expect(await again.resume()).to.be.true;
    expect(await again.token()).to.equal("access-3");
  });

  for (const text of ["{", "null", "[]", `{"operator":1,"refreshToken":"x"}`]) {
    it(`does not go on from what is not its own: ${text}`, async () => {
      const { session, kept, deps } = world();
      await session.login(credentials);
      for (const key of kept.keys()) kept.set(key, text);
      expect(await createSession(deps).resume()).to.be.false;
    });
  }

  it("forgets everything at its end", async () => {
    const { session, kept } = world();
    await session.login(credentials);
    session.end();
    expect(kept.size).to.equal(0);
    expect(await session.token()).to.equal(undefined);
  });

  it("does not come back by a renewal that was under way at its end", async () => {
    const { session, kept } = world();
    await session.login(credentials);
    const renewal = session.renew();
    session.end();
    await renewal;
    expect(kept.size).to.equal(0);
    expect(await session.token()).to.equal(undefined);
  });
});
