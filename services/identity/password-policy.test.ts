import { expect } from "chai";
import { isCommonPassword, normalizePassword, passwordProblem } from "./password-policy.js";

describe("password policy", () => {
  const problem = (password: string) => passwordProblem(password, "robin.ray@example.com");

  it("wants ten characters, counted as people count them", () => {
    expect(problem("short-one")).to.equal("must have at least 10 characters");
    expect(problem("short-one!")).to.equal(undefined);
    expect(problem("🚕🚗🚙🚌🚎")).to.equal("must have at least 10 characters");
    expect(problem("🚕🚗🚙🚌🚎🏎🚓🚑🚒🚐")).to.equal(undefined);
  });

  it("wants more than a few characters again and again", () => {
    expect(problem("abababababab")).to.equal("must have at least 4 different characters");
  });

  it("refuses the e-mail and its first part, in any case", () => {
    expect(problem("Robin.Ray@Example.com")).to.equal("must not be the e-mail");
    expect(passwordProblem("robin.ray.1", "Robin.Ray.1@example.com")).to.equal(
      "must not be the e-mail",
    );
  });

  it("knows passwords that everyone tries, in any case", async () => {
    expect(await isCommonPassword("Password123")).to.equal(true);
    expect(await isCommonPassword("tulip-harbour-42")).to.equal(false);
  });

  it("takes what looks the same for the same", () => {
    expect(normalizePassword("cafe\u0301-au-lait")).to.equal(
      normalizePassword("caf\u00e9-au-lait"),
    );
  });
});
