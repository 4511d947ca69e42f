import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { createSecrets } from "../runtime/secrets.js";
import { Code, StatusError } from "../runtime/status.js";
import { createPasswords } from "./passwords.js";

describe("passwords", () => {
  const secrets = createSecrets([{ id: "a", key: randomBytes(32) }]);
  const passwords = createPasswords({ cost: 4, secrets });

  it("are kept as bcrypt hashes of the configured cost, salted", async () => {
    const [one, two] = await Promise.all([
      passwords.hash("a password"),
      passwords.hash("a password"),
    ]);
    expect(one).to.match(/^\$2b\$04\$.{53}$/);
    expect(one).to.not.equal(two);
  });

  it("verify only against their own hash", async () => {
    const hashed = await passwords.hash("a password");
    expect(await passwords.verify("a password", hashed)).to.equal(true);
    expect(await passwords.verify("A password", hashed)).to.equal(false);
    expect(await passwords.verify("a password", undefined)).to.equal(false);
  });

  it("count to their last character, beyond the 72 bytes that bcrypt reads", async () => {
    const long = "x".repeat(150);
    const hashed = await passwords.hash(`${long}1`);
    expect(await passwords.verify(`${long}1`, hashed)).to.equal(true);
    expect(await passwords.verify(`${long}2`, hashed)).to.equal(false);
  });

  it("are the same however the keyboard composed their letters", async () => {
    const hashed = await passwords.hash("cafe\u0301-au-lait");
    expect(await passwords.verify("caf\u00e9-au-lait", hashed)).to.equal(true);
  });

  it("cannot be guessed from a stolen hash without our key", async () => {
    const hashed = await passwords.hash("a password");
    const other = createPasswords({
      cost: 4,
      secrets: createSecrets([{ id: "a", key: randomBytes(32) }]),
    });
    expect(await other.verify("a password", hashed)).to.equal(false);
  });

  it("of a larger list are refused through the port", async () => {
    const asked: string[] = [];
    const strict = createPasswords({
      cost: 4,
      secrets,
      breached: (password) => Promise.resolve(asked.push(password) > 0),
    });
    const error = await strict.check("tulip-harbour-42", "a@b.c").catch((e: unknown) => e);
    expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "WEAK_PASSWORD" });
    expect(asked).to.deep.equal(["tulip-harbour-42"]);
  });

  it("are refused early, with a hint, when too many are being hashed", async () => {
    const slow = createPasswords({ cost: 12, secrets });
    const abort = new AbortController();
    const calls = Array.from({ length: 200 }, (_, i) =>
      slow.hash(`password ${i}`, abort.signal).catch((error: unknown) => error),
    );
    // Those that wait are let go, so that the test need not wait for them.
    abort.abort(new Error("gone"));
    const results = await Promise.all(calls);
    const refused = results.filter((one) => one instanceof StatusError);
    expect(refused.length).to.be.above(50);
    expect(refused[0]).to.include({ code: Code.RESOURCE_EXHAUSTED, reason: "OVERLOADED" });
    expect((refused[0] as StatusError).retryAfterMs).to.be.above(0);
    const dropped = results.filter((one) => one instanceof Error && one.message === "gone");
    expect(dropped.length).to.be.above(5);
  });
});
