import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { uuidv7 } from "../runtime/ids.js";
import { createSecrets } from "../runtime/secrets.js";
import { createRefreshTokens } from "./refresh-token.js";

describe("refresh tokens", () => {
  const secretsOf = () => createSecrets([{ id: "a", key: randomBytes(32) }]);
  const tokens = createRefreshTokens(secretsOf());
  const content = { tenantId: "metro", sessionId: uuidv7(new Date(0)) };

  it("say whose session they are of, first and following ones", () => {
    const first = tokens.first(content);
    const next = tokens.next(first, randomBytes(16));
    expect(tokens.read(first)).to.deep.equal(content);
    expect(tokens.read(next)).to.deep.equal(content);
    expect(next).to.have.length(first.length);
  });

  it("fit the contract's 200 characters with the longest operator name", () => {
    expect(tokens.first({ ...content, tenantId: "x".repeat(64) }).length).to.be.at.most(200);
  });

  it("differ each time they are made", () => {
    expect(tokens.first(content)).to.not.equal(tokens.first(content));
  });

  it("have one successor for one salt, and another for another", () => {
    const first = tokens.first(content);
    const salt = randomBytes(16);
    expect(tokens.next(first, salt)).to.equal(tokens.next(first, salt));
    expect(tokens.next(first, salt)).to.not.equal(tokens.next(first, randomBytes(16)));
  });

  it("are known for made up when one bit differs anywhere", () => {
    const bytes = Buffer.from(tokens.first(content), "base64url");
    for (let i = 0; i < bytes.length; i += 1) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1;
      expect(tokens.read(changed.toString("base64url")), `byte ${i}`).to.equal(undefined);
    }
  });

  it("are no other text that decodes to the same bytes", () => {
    const token = tokens.first(content);
    expect(tokens.read(`${token}=`)).to.equal(undefined);
    expect(tokens.read(` ${token}`)).to.equal(undefined);
  });

  it("are not taken from another key, nor cut short, nor empty", () => {
    const foreign = createRefreshTokens(secretsOf()).first(content);
    const token = tokens.first(content);
    for (const text of [foreign, token.slice(0, -4), token.slice(0, 20), "", "not a token"]) {
      expect(tokens.read(text), text).to.equal(undefined);
    }
  });
});
