import { expect } from "chai";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { identityConfig } from "./config.js";

describe("identity config", () => {
  it("hashes with cost 12 and makes no accounts unless told otherwise", () => {
    expect(identityConfig({})).to.deep.equal({
      bcryptCost: 12,
      temporaryData: false,
      firstAccounts: [],
    });
  });

  it("takes a low cost only for temporary data", () => {
    const low = { RIDEMESH_BCRYPT_COST: "4" };
    expect(() => identityConfig(low)).to.throw(
      "RIDEMESH_BCRYPT_COST is 4, not a whole number from 12 to 20",
    );
    const temporary = { ...low, RIDEMESH_TEMPORARY_DATA: "true" };
    expect(identityConfig(temporary).bcryptCost).to.equal(4);
    for (const cost of ["3", "21", "4.5", "many"]) {
      expect(() => identityConfig({ ...temporary, RIDEMESH_BCRYPT_COST: cost })).to.throw(
        "not a whole number from 4 to 20",
      );
    }
  });

  it("reads first accounts, and names what is wrong with them", () => {
    const account = { tenantId: "metro", email: "a@b.c", password: "p", displayName: "A" };
    const read = (value: unknown) =>
      identityConfig({ RIDEMESH_FIRST_ACCOUNTS: JSON.stringify(value) }).firstAccounts;
    expect(read([{ ...account, roles: ["admin", "support"] }])).to.deep.equal([
      { ...account, roles: [Role.ADMIN, Role.SUPPORT] },
    ]);
    expect(() => read([account])).to.throw("RIDEMESH_FIRST_ACCOUNTS lacks [0].roles");
    expect(() => read([{ ...account, roles: ["king"] }])).to.throw("has a role king at [0]");
    expect(() => read([{ roles: ["admin"] }])).to.throw("lacks [0].tenantId");
    expect(() => read({})).to.throw("is not a list");
    expect(() => identityConfig({ RIDEMESH_FIRST_ACCOUNTS: "{" })).to.throw("is not JSON");
  });
});
