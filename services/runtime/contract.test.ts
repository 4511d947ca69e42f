import { readdirSync } from "node:fs";
import { expect } from "chai";
import { allMethods, allServices, isExternal, policyOf, serviceNameOf } from "./contract.js";
import { contractFiles } from "./contract-files.js";

describe("the contract at run time", () => {
  it("holds every generated file that declares services, in the order of their paths", () => {
    const generated = readdirSync("gen/es/ridemesh", { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith("_service_pb.ts"))
      .map((path) => `ridemesh/${path.replaceAll("\\", "/").replace(/_pb\.ts$/, "")}`)
      .sort();
    expect(contractFiles.map((file) => file.name)).to.deep.equal(generated);
  });

  it("finds no services outside the files named *_service.proto", () => {
    const elsewhere = contractFiles
      .flatMap((file) => file.dependencies)
      .filter((file) => file.services.length > 0)
      .map((file) => file.name);
    expect(elsewhere).to.deep.equal([]);
  });

  it("gives every method a policy that holds together", () => {
    for (const method of allMethods()) policyOf(method);
    expect(allMethods().some(isExternal)).to.equal(true);
    expect(allMethods().every(isExternal)).to.equal(false);
  });

  it("names as callers only services that there are", () => {
    const known = new Set(["*", "gateway", ...allServices().map(serviceNameOf)]);
    const callers = allMethods().flatMap((method) => policyOf(method).callers);
    expect(callers.filter((caller) => !known.has(caller))).to.deep.equal([]);
  });
});
