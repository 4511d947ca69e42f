import { expect } from "chai";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataFolder, type DataFolder } from "./data-folder.js";
import { findProcess } from "./processes.js";
import { StartError } from "./start-error.js";

describe("the data folder", () => {
  let home: string;
  const opened: DataFolder[] = [];

  beforeEach(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), "ridemesh-folder-test-")));
  });

  afterEach(async () => {
    for (const folder of opened.splice(0)) await folder.release();
    await rm(home, { recursive: true, force: true });
  });

  async function open(path: string): Promise<DataFolder> {
    const folder = await openDataFolder(path);
    opened.push(folder);
    return folder;
  }

  async function refusal(path: string): Promise<string> {
    const outcome = await open(path).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(StartError);
    return (outcome as StartError).message;
  }

  it("is made with the folders above it, marked as ours, and found again", async () => {
    const path = join(home, "a", "b");
    const folder = await open(path);
    expect(folder.path).to.equal(path);
    expect(JSON.parse(await readFile(join(path, "ridemesh.json"), "utf8"))).to.deep.equal({
      format: 1,
    });
    await folder.release();
    expect(await readdir(path)).to.deep.equal(["ridemesh.json"]);
    await open(path);
  });

  it("is the same folder through a symbolic link", async () => {
    await mkdir(join(home, "real"));
    await symlink(join(home, "real"), join(home, "link"));
    expect((await open(join(home, "link"))).path).to.equal(join(home, "real"));
    expect(await refusal(join(home, "real"))).to.match(/is in use by/);
  });

  it("may be an empty folder with what file systems leave in one", async () => {
    await mkdir(join(home, "lost+found"));
    await open(home);
  });

  it("is refused when it holds files of somebody else, and nothing is written there", async () => {
    await writeFile(join(home, "thesis.txt"), "important");
    expect(await refusal(home)).to.equal(
      `the folder ${home} is not empty and was not made by Ridemesh: choose an empty or a new one with --data-dir`,
    );
    expect(await readdir(home)).to.deep.equal(["thesis.txt"]);
  });

  it("is refused where a file is in its place, or in the place of a folder above it", async () => {
    const file = join(home, "file");
    await writeFile(file, "");
    expect(await refusal(file)).to.match(/cannot be made, for a file is in its place; choose/);
    expect(await refusal(join(file, "below"))).to.match(/cannot be made, for a file is/);
  });

  for (const [what, content, message] of [
    ["of another format", '{"format":2}', /has format 2, this version of Ridemesh knows 1: start/],
    ["without a format", "{}", /has format undefined, this version/],
    ["that is damaged", '{"form', /^cannot read .*ridemesh\.json: .*; restore it, or choose/],
  ] as const) {
    it(`is refused with a version file ${what}`, async () => {
      await writeFile(join(home, "ridemesh.json"), content);
      expect(await refusal(home)).to.match(message);
      expect(await readdir(home)).to.deep.equal(["ridemesh.json"]);
    });
  }

  it("is refused while this or another process uses it", async () => {
    const folder = await open(home);
    expect(await refusal(home)).to.equal(
      `the data folder ${home} is in use by the Ridemesh process ${process.pid}: stop that one, or choose another with --data-dir`,
    );
    await folder.release();
    await open(home);
  });

  it("goes to one of many who come at once", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => open(home)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).to.have.length(1);
  });

  const self = () => findProcess(process.pid);
  for (const [what, lock] of [
    ["a process that is gone", async () => ({ pid: 2 ** 22 + 1, started: "1" })],
    ["an earlier process of the same pid", async () => ({ pid: process.pid, started: "1" })],
    ["a version that wrote it differently", async () => ({ started: (await self())!.started })],
  ] as const) {
    it(`takes over a lock left by ${what}`, async () => {
      await writeFile(join(home, "lock"), JSON.stringify(await lock()));
      const folder = await open(home);
      expect(JSON.parse(await readFile(join(home, "lock"), "utf8"))).to.include({
        pid: process.pid,
      });
      await folder.release();
      expect(await readdir(home)).to.deep.equal(["ridemesh.json"]);
    });
  }
});
