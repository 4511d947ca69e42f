import { expect } from "chai";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { diffFolders, mirrorFolder } from "./folders.js";

describe("generated folders", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "folders-"));
    write("new/same.ts", "same");
    write("new/deep/changed.ts", "after");
    write("new/deep/missing.ts", "here");
    write("old/same.ts", "same");
    write("old/deep/changed.ts", "before");
    write("old/gone/stale.ts", "left over");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const expected = {
    missing: ["deep/missing.ts"],
    changed: ["deep/changed.ts"],
    stale: ["gone/stale.ts"],
  };

  it("are told apart by missing, changed and stale files, and left as they are", () => {
    expect(diffFolders(join(root, "new"), join(root, "old"))).to.deep.equal(expected);
    expect(diffFolders(join(root, "new"), join(root, "old"))).to.deep.equal(expected);
  });

  it("differ in every file from a folder that is absent", () => {
    expect(diffFolders(join(root, "new"), join(root, "none")).missing).to.have.length(3);
  });

  it("are mirrored without touching what is the same", () => {
    const before = statSync(join(root, "old/same.ts")).mtimeMs;
    expect(mirrorFolder(join(root, "new"), join(root, "old"))).to.deep.equal(expected);
    expect(diffFolders(join(root, "new"), join(root, "old"))).to.deep.equal({
      missing: [],
      changed: [],
      stale: [],
    });
    expect(readFileSync(join(root, "old/deep/changed.ts"), "utf8")).to.equal("after");
    expect(statSync(join(root, "old/same.ts")).mtimeMs).to.equal(before);
  });

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
});
