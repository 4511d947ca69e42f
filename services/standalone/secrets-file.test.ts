import { expect } from "chai";
import { mkdir, mkdtemp, readdir, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryParent } from "../testing/temporary-folder.js";
import { loadDataKeys } from "./secrets-file.js";
import { StartError } from "./start-error.js";

const isUsed = () => Promise.resolve(true);

describe("the key of a data folder", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(await temporaryParent(), "ridemesh-secrets-test-"));
    path = join(folder, "data-keys.json");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const refused = async (): Promise<string> => {
    const error = await loadDataKeys(folder, isUsed).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(StartError);
    return (error as StartError).message;
  };

  it("is made once, at random, and readable by its owner only", async () => {
    const [made, ...others] = await loadDataKeys(folder);
    expect(others).to.deep.equal([]);
    expect(made.key).to.have.length(32);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    expect(await loadDataKeys(folder, isUsed)).to.deep.equal([made]);
    await unlink(path);
    const [another] = await loadDataKeys(folder);
    expect(another.key.equals(made.key)).to.equal(false);
  });

  it("may have older ones behind it", async () => {
    const key = (fill: number) => Buffer.alloc(32, fill);
    const keys = [2, 1].map((n) => ({ id: `k${n}`, key: key(n) }));
    await writeFile(
      path,
      JSON.stringify(keys.map((one) => ({ ...one, key: one.key.toString("base64") }))),
    );
    expect(await loadDataKeys(folder)).to.deep.equal(keys);
  });

  it("is not replaced when it is lost and something may be encrypted with it", async () => {
    expect(await refused()).to.equal(
      `${path} is missing: restore that file, without which the personal data in the folder cannot be read`,
    );
    expect(await readdir(folder)).to.deep.equal([]);
  });

  const damaged = {
    "no JSON": "{",
    "no list": "{}",
    "an empty list": "[]",
    "a list of nothing": "[null]",
    "a key without a name": JSON.stringify([{ key: Buffer.alloc(32).toString("base64") }]),
    "a short key": JSON.stringify([{ id: "k1", key: "c2hvcnQ=" }]),
    "no key": JSON.stringify([{ id: "k1" }]),
  };
  for (const [what, text] of Object.entries(damaged)) {
    it(`is refused when the file holds ${what}`, async () => {
      await writeFile(path, text);
      expect(await refused()).to.match(/data-keys\.json does not hold keys: restore that file/);
    });
  }

  it("is refused when the file cannot be read", async () => {
    // Root reads every file, but no folder as one.
    await mkdir(path);
    expect(await refused()).to.match(/^cannot read .*data-keys\.json \(.*\): restore that file/);
  });
});
