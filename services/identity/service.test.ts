import { expect } from "chai";
import pg from "pg";
import { UserStatus } from "../../gen/grpc/ridemesh/identity/v1/identity.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import {
  IdentityServiceService,
  type CreateUserRequest,
} from "../../gen/grpc/ridemesh/identity/v1/identity_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { uuidv4 } from "../runtime/ids.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import { waitFor } from "../testing/wait-for.js";
import { startIdentity } from "./app.js";
import {
  goodPassword,
  newEmail,
  registration,
  sessionIdOf,
  startWorld,
  type World,
} from "./world.test.js";

const admin = {
  tenantId: "metro",
  email: "admin@metro.test",
  password: "lantern-ferry-7",
  displayName: "Ada Min",
  roles: [Role.ADMIN],
};
const harborAdmin = { ...admin, tenantId: "harbor" };

describe("identity: accounts", () => {
  let world: World;
  let adminToken: string;
  before(async () => {
    world = await startWorld({ firstAccounts: [admin, harborAdmin] });
    adminToken = (await world.login(admin.email, admin.password)).session.accessToken;
  });
  after(() => world.t.stop());

  const { registerUser, createUser, getUser, validateToken } = IdentityServiceService;
  const register = (given: Parameters<typeof registration>[0] = {}, host = "") =>
    world.t.call.unary(registerUser, undefined, registration(given), {
      metadata: { "x-forwarded-host": host },
    });
  const creation = (given: Partial<CreateUserRequest> = {}): CreateUserRequest => ({
    email: newEmail(),
    phone: "",
    password: "",
    displayName: "Sam Support",
    roles: [Role.SUPPORT],
    requestId: "",
    ...given,
  });
  const count = async (table: string) =>
    Number((await world.sql<{ n: string }>(`SELECT count(*) AS n FROM ${table}`))[0]!.n);

  describe("registering", () => {
    it("makes an account and logs it in", async () => {
      const given = { email: "Robin@Example.com", phone: "+15550001111", role: Role.DRIVER };
      const { user, session } = await register(given);
      expect(user).to.deep.include({
        email: "Robin@Example.com",
        phone: "+15550001111",
        displayName: "Robin Ray",
        roles: [Role.DRIVER],
        status: UserStatus.ACTIVE,
      });
      expect(session!.tokenType).to.equal("Bearer");
      const whose = await world.t.call.unary(validateToken, session!.accessToken, {});
      expect(whose).to.deep.equal({
        userId: user!.userId,
        tenantId: "metro",
        roles: [Role.DRIVER],
        expireTime: session!.accessExpireTime,
      });
    });

    it("tells of the account and of its session by events, keyed by the account", async () => {
      const { user, session } = await register();
      const { userId } = user!;
      const ofUser = () => world.events.filter(({ key }) => key === userId);
      await waitFor("both events", () => ofUser().length === 2);
      expect(ofUser()).to.deep.equal([
        {
          type: "UserRegistered",
          tenantId: "metro",
          key: userId,
          event: { userId, roles: [Role.RIDER] },
        },
        {
          type: "UserLoggedIn",
          tenantId: "metro",
          key: userId,
          event: { userId, sessionId: sessionIdOf(session!) },
        },
      ]);
    });

    it("grants no role but rider and driver", async () => {
      for (const role of [Role.ADMIN, Role.SUPPORT, Role.FLEET]) {
        const error = await failure(register({ role }));
        expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "ROLE_NOT_GRANTABLE" });
        expect(error.violations[0]!.field).to.equal("role");
      }
    });

    it("refuses weak passwords and names the field", async () => {
      const email = newEmail();
      for (const password of ["too-short", "password123", email]) {
        const error = await failure(register({ email, password }));
        expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "WEAK_PASSWORD" });
        expect(error.violations[0]!.field).to.equal("password");
      }
      expect((await register({ email })).user!.email).to.equal(email);
    });

    it("finds the operator by its name or by the host, and refuses unknown ones", async () => {
      const byHost = await register({ operator: "" }, "harbor.test");
      const whose = await world.t.call.unary(validateToken, byHost.session!.accessToken, {});
      expect(whose.tenantId).to.equal("harbor");
      for (const [operator, host] of [
        ["nobody", ""],
        ["", "x.test"],
      ] as const) {
        const error = await failure(register({ operator }, host));
        expect(error).to.include({
          code: Code.INVALID_ARGUMENT,
          reason: "UNKNOWN_OPERATOR",
          domain: "ridemesh",
        });
      }
    });

    it("asks the city service for an operator once in a while, and does without when it is away", async () => {
      await register();
      world.city.asked.length = 0;
      await register();
      expect(world.city.asked).to.deep.equal([]);
      world.wall.advance(31);
      await register();
      expect(world.city.asked).to.deep.equal(["metro"]);
      world.wall.advance(31);
      world.city.away = true;
      try {
        await register();
        const error = await failure(register({ operator: "new-one" }));
        expect(error).to.include({ code: Code.UNAVAILABLE, reason: "DEPENDENCY_UNAVAILABLE" });
      } finally {
        world.city.away = false;
      }
    });

    it("keeps an e-mail unique within the operator, whatever the case of its letters", async () => {
      await register({ email: "Twice@Example.com" });
      const error = await failure(register({ email: "tWICE@example.COM" }));
      expect(error).to.include({ code: Code.ALREADY_EXISTS, reason: "EMAIL_TAKEN" });
      expect(error.violations[0]!.field).to.equal("email");
      const elsewhere = await register({ email: "twice@example.com", operator: "harbor" });
      expect(elsewhere.user!.email).to.equal("twice@example.com");
    });

    it("answers a repetition of a request_id with the first answer", async () => {
      const request = { email: newEmail(), requestId: uuidv4() };
      const first = await register(request);
      expect(await register(request)).to.deep.equal(first);
      const error = await failure(register({ ...request, displayName: "Another" }));
      expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "REQUEST_ID_REUSED" });
    });

    it("keeps the request_ids of two operators' hosts apart", async () => {
      const request = { operator: "", email: newEmail(), requestId: uuidv4() };
      const metro = await register(request, "metro.test");
      const harbor = await register(request, "harbor.test");
      expect(metro.user!.userId).to.not.equal(harbor.user!.userId);
      expect(await register(request, "metro.test")).to.deep.equal(metro);
    });

    it("makes one account of 50 registrations with one request_id at once", async () => {
      for (let round = 0; round < 3; round += 1) {
        const users = await count("users");
        const sessions = await count("sessions");
        const request = { email: newEmail(), requestId: uuidv4() };
        const answers = await Promise.all(Array.from({ length: 50 }, () => register(request)));
        for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
        expect(await count("users")).to.equal(users + 1);
        expect(await count("sessions")).to.equal(sessions + 1);
      }
    });

    it("makes one account of 50 registrations of one e-mail at once", async () => {
      const users = await count("users");
      const email = newEmail();
      const calls = Array.from({ length: 50 }, () =>
        register({ email, requestId: uuidv4() }).then(
          () => "made",
          (error: { reason: string }) => error.reason,
        ),
      );
      const results = await Promise.all(calls);
      expect(results.filter((one) => one === "made")).to.have.length(1);
      expect(results.filter((one) => one === "EMAIL_TAKEN")).to.have.length(49);
      expect(await count("users")).to.equal(users + 1);
    });

    it("keeps no personal data, password or token in the clear", async () => {
      const secret = { email: "very.private@example.com", phone: "+15557654321" };
      const { session } = await register({ ...secret, requestId: uuidv4() });
      const words = [...Object.values(secret), "Robin Ray", goodPassword, session!.refreshToken];
      words.push(session!.accessToken);
      for (const table of ["users", "sessions", "idempotency_keys", "outbox", "auth_audit"]) {
        const rows = await world.sql<{ row: string }>(`SELECT t::text AS row FROM ${table} t`);
        for (const word of words) {
          const hex = Buffer.from(word).toString("hex");
          const found = rows.filter(({ row }) => row.includes(word) || row.includes(hex));
          expect(found, `${table} shows ${word}`).to.have.length(0);
        }
      }
    });
  });

  describe("an admin", () => {
    it("makes accounts of any role in his own tenant", async () => {
      const request = creation({ roles: [Role.ADMIN, Role.FLEET], phone: "+15550009999" });
      const { user } = await world.t.call.unary(createUser, adminToken, request);
      expect(user).to.deep.include({
        email: request.email,
        phone: request.phone,
        roles: [Role.ADMIN, Role.FLEET],
      });
      const [row] = await world.sql("SELECT tenant_id FROM users WHERE user_id = $1", [
        user!.userId,
      ]);
      expect(row).to.deep.equal({ tenant_id: "metro" });
      const [entry] = await world.sql<{ actor_id: string }>(
        "SELECT actor_id FROM auth_audit WHERE user_id = $1 AND action = 'created'",
        [user!.userId],
      );
      expect(entry!.actor_id).to.match(/^[0-9a-f-]{36}$/);
      const { userId, roles } = user!;
      const told = await waitFor("the event", () => world.events.find((e) => e.key === userId));
      expect(told).to.deep.include({ type: "UserRegistered", event: { userId, roles } });
    });

    it("makes accounts that cannot log in until they have a password", async () => {
      const withOut = creation();
      await world.t.call.unary(createUser, adminToken, withOut);
      for (const password of ["a-guess-of-mine", "x"]) {
        const error = await failure(world.login(withOut.email, password));
        expect(error.reason).to.equal("BAD_CREDENTIALS");
      }
      const withOne = creation({ password: goodPassword });
      await world.t.call.unary(createUser, adminToken, withOne);
      expect((await world.login(withOne.email)).session.tokenType).to.equal("Bearer");
    });

    it("is held to the same rules for passwords and e-mails", async () => {
      const weak = world.t.call.unary(createUser, adminToken, creation({ password: "short" }));
      expect((await failure(weak)).reason).to.equal("WEAK_PASSWORD");
      const taken = creation({ email: admin.email.toUpperCase() });
      const error = await failure(world.t.call.unary(createUser, adminToken, taken));
      expect(error.reason).to.equal("EMAIL_TAKEN");
    });

    it("makes one account of 50 calls with one request_id at once", async () => {
      const users = await count("users");
      const request = creation({ password: goodPassword, requestId: uuidv4() });
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => world.t.call.unary(createUser, adminToken, request)),
      );
      for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
      expect(await count("users")).to.equal(users + 1);
    });

    it("is needed: a rider may not make accounts", async () => {
      const { session } = await world.register();
      const call = world.t.call.unary(createUser, session.accessToken, creation());
      expect(await failure(call)).to.include({
        code: Code.PERMISSION_DENIED,
        reason: "ROLE_NOT_ALLOWED",
      });
    });
  });

  describe("an account", () => {
    it("is read by its owner and by its operator's admin, and is not there for others", async () => {
      const mine = await world.register();
      const other = await world.register();
      const read = (token: string) => world.t.call.unary(getUser, token, { userId: mine.userId });
      expect((await read(mine.session.accessToken)).user!.userId).to.equal(mine.userId);
      expect((await read(adminToken)).user!.userId).to.equal(mine.userId);

      const login = { operator: "harbor", email: admin.email, password: admin.password };
      const harbor = await world.t.call.unary(IdentityServiceService.login, undefined, login);
      for (const token of [other.session.accessToken, harbor.session!.accessToken]) {
        const error = await failure(read(token));
        expect(error).to.include({ code: Code.NOT_FOUND, reason: "NOT_FOUND" });
      }
      const unknown = world.t.call.unary(getUser, adminToken, { userId: uuidv4() });
      expect((await failure(unknown)).code).to.equal(Code.NOT_FOUND);
    });

    it("has a name for the services that show it, within its tenant", async () => {
      const { userId } = await world.register({ displayName: "Björk Ångström" });
      const client = world.t.internalClient(IdentityInternalServiceService, "identity", "rider");
      const names = (tenantId: string) =>
        client.listDisplayNames({ tenantId, userIds: [userId, uuidv4()] });
      expect((await names("metro")).displayNames).to.deep.equal({ [userId]: "Björk Ångström" });
      expect((await names("harbor")).displayNames).to.deep.equal({});
    });
  });

  describe("first accounts", () => {
    it("are made once, by one of two processes that start together, where there is no admin", async () => {
      const more = {
        bcryptCost: 4,
        temporaryData: true,
        firstAccounts: [
          { ...admin, email: "second@metro.test" },
          { ...admin, tenantId: "bay", email: "admin@bay.test" },
          { ...admin, tenantId: "bay", email: "rider@bay.test", roles: [Role.RIDER] },
        ],
      };
      const { host } = world.t;
      const both = await Promise.all([startIdentity(host, more), startIdentity(host, more)]);
      for (const service of both) await service.stop();
      const rows = await world.sql<{ tenant_id: string; n: string }>(
        "SELECT tenant_id, count(*) AS n FROM users WHERE tenant_id = 'bay' GROUP BY 1",
      );
      expect(rows).to.deep.equal([{ tenant_id: "bay", n: "2" }]);
      expect((await failure(world.login("second@metro.test", admin.password))).reason).to.equal(
        "BAD_CREDENTIALS",
      );
    });

    it("with a weak password keep the service from starting", async () => {
      const weak = [{ ...admin, tenantId: "cove", password: "short" }];
      const config = { bcryptCost: 4, temporaryData: true, firstAccounts: weak };
      expect((await failure(startIdentity(world.t.host, config))).reason).to.equal("WEAK_PASSWORD");
    });
  });

  it("does not start with cheap hashing of data that stays", async () => {
    const config = { bcryptCost: 4, temporaryData: false, firstAccounts: [] };
    const error = await startIdentity(world.t.host, config).catch((e: Error) => e);
    expect(error)
      .to.be.an("error")
      .with.property("message")
      .that.includes("not a whole number from 12 to 20");
  });

  it("writes an audit log that its own role cannot change", async () => {
    const { userId } = await world.register();
    const client = new pg.Client(world.t.host.database.url("identity"));
    await client.connect();
    try {
      const rows = await client.query<{ action: string }>(
        "SELECT action FROM auth_audit WHERE user_id = $1",
        [userId],
      );
      expect(rows.rows).to.deep.equal([{ action: "registered" }]);
      for (const change of [
        "UPDATE auth_audit SET action = 'x'",
        "DELETE FROM auth_audit",
        "TRUNCATE auth_audit",
      ]) {
        const error = await client.query(change).catch((e: Error) => e);
        expect(error).to.be.an("error").with.property("message").that.includes("permission denied");
      }
    } finally {
      await client.end();
    }
  });
});
