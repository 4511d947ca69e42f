import { expect } from "chai";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSummary, summaryLine } from "./reporter.js";

describe("the test reporter", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "reporter-"))));
  after(() => rmSync(folder, { recursive: true }));

  it("sums up passed, failed and skipped tests", () => {
    expect(summaryLine({ passes: 3, failures: 0, pending: 0 })).to.equal("3 passed, 0 failed");
    expect(summaryLine({ passes: 3, failures: 2, pending: 1 })).to.equal(
      "3 passed, 2 failed, 1 skipped",
    );
  });

  it("reads its sum again", () => {
    for (const sum of [
      { passes: 3, failures: 0, pending: 0 },
      { passes: 3, failures: 2, pending: 1 },
    ]) {
      expect(readSummary(`${summaryLine(sum)}\n`)).to.deep.equal(sum);
    }
    expect(readSummary("3 passing (2s)\n")).to.equal(undefined);
  });

  it("ends with the sum alone on the last line, after what is printed at the end", async () => {
    const run = await runTests(`
      it("good", () => {});
      it("bad", () => { throw new Error("planted"); });
      after(() => setTimeout(() => console.log("late"), 50));
    `);
    expect(run.stdout).to.match(/late\n1 passed, 1 failed\n$/);
    expect(run.code).to.equal(1);
  });

  it("ends a run that something keeps alive, and says what", async () => {
    const run = await runTests(
      `it("forgets its server", (done) => require("node:net").createServer().listen(0, done));`,
      "linger=1",
    );
    expect(run.stdout).to.match(/killed: alive 1 s after its last test[^]*Server listening on/);
    expect(run.stdout).to.match(/\n1 passed, 0 failed\n$/);
    expect(run.code).to.equal(1);
  });

  it("kills a test that never yields, and names it", async () => {
    const run = await runTests(`it("spins", () => { for (;;); });`, "blocked=1");
    expect(run.stdout).to.contain("killed: the event loop has been blocked for 1 s in: spins");
    expect(run.code).to.not.equal(0);
  });

  it("kills a run that takes too long, and names the test", async () => {
    const run = await runTests(
      `it("waits for ever", function (done) { this.timeout(0); setInterval(() => {}, 100); });`,
      "run=1",
    );
    expect(run.stdout).to.contain("the run has not ended after 1 s; running: waits for ever");
    expect(run.stdout).to.match(/\n0 passed, 1 failed\n$/);
    expect(run.code).to.not.equal(0);
  });

  /** Runs a planted test file as `npm test` would. */
  async function runTests(source: string, ...limits: string[]) {
    const file = join(folder, "planted.test.ts");
    writeFileSync(file, source);
    const options = limits.flatMap((limit) => ["--reporter-option", limit]);
    const child = spawn(process.execPath, [
      "--import",
      "tsx",
      "services/testing/run.ts",
      ...options,
      file,
    ]);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { stdout, stderr, code };
  }
});
