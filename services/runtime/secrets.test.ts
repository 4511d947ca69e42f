import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { createSecrets, type DataKey } from "./secrets.js";

describe("secrets", () => {
  const key = (id: string): DataKey => ({ id, key: randomBytes(32) });
  const older = key("2024");
  const newer = key("2025-second");
  const before = createSecrets([older]);
  const after = createSecrets([newer, older]);

  it("give back what they sealed, text and bytes, also none", () => {
    expect(before.decryptText(before.encryptText("Łódź 🚕"))).to.equal("Łódź 🚕");
    const bytes = randomBytes(1000);
    expect(before.decrypt(before.encrypt(bytes)).equals(bytes)).to.equal(true);
    expect(before.decryptText(before.encryptText(""))).to.equal("");
  });

  it("seal the same thing differently each time, and do not show it", () => {
    const [one, two] = [
      before.encryptText("robin@example.com"),
      before.encryptText("robin@example.com"),
    ];
    expect(one.equals(two)).to.equal(false);
    expect(one.includes("robin")).to.equal(false);
  });

  it("seal with the newest key and open what older keys sealed", () => {
    const sealed = after.encryptText("new");
    expect(sealed.subarray(1, 1 + newer.id.length).toString()).to.equal(newer.id);
    expect(after.decryptText(before.encryptText("old"))).to.equal("old");
    expect(() => before.decryptText(sealed)).to.throw("unknown key");
  });

  it("refuse what was changed anywhere", () => {
    const sealed = before.encryptText("fare");
    for (let i = 0; i < sealed.length; i += 1) {
      const changed = Buffer.from(sealed);
      changed[i]! ^= 1;
      expect(() => before.decrypt(changed), `byte ${i}`).to.throw();
    }
  });

  it("refuse what was cut short, down to nothing", () => {
    const sealed = before.encryptText("");
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => before.decrypt(sealed.subarray(0, length)), `${length} bytes`).to.throw();
    }
  });

  it("refuse what another platform's key of the same id sealed", () => {
    const foreign = createSecrets([{ id: older.id, key: randomBytes(32) }]);
    expect(() => foreign.decrypt(before.encryptText("x"))).to.throw();
  });

  it("find a value by its index and keep signatures valid after a key was added", () => {
    expect(before.blindIndex("a").equals(after.blindIndex("a"))).to.equal(true);
    expect(before.blindIndex("a").equals(before.blindIndex("b"))).to.equal(false);
    const bytes = Buffer.from("quote");
    expect(before.sign("quote", bytes).equals(after.sign("quote", bytes))).to.equal(true);
  });

  it("sign differently for each purpose and under each key", () => {
    const bytes = Buffer.from("quote");
    expect(before.sign("quote", bytes).equals(before.sign("page", bytes))).to.equal(false);
    const foreign = createSecrets([key("2024")]);
    expect(before.sign("quote", bytes).equals(foreign.sign("quote", bytes))).to.equal(false);
    expect(before.blindIndex("a").equals(foreign.blindIndex("a"))).to.equal(false);
  });
});
