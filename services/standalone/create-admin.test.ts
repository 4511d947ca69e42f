/** `npm run create-admin`, as a process of its own beside a running platform. */
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { domainClock, wallClock as wall } from "../runtime/clock.js";
import { stopAll, type Runnable } from "../runtime/lifecycle.js";
import { silentLogger as log } from "../runtime/log.js";
import { repositoryFolder } from "../testing/program.js";
import { temporaryParent } from "../testing/temporary-folder.js";
import { startPlatform } from "./platform.js";
import { startEmbeddedPostgres } from "./postgres.js";
import { loadDataKeys } from "./secrets-file.js";

const chosen = "chosen by the admin";

describe("npm run create-admin", function () {
  this.timeout(60_000);
  const running: Runnable[] = [];
  let dataDir: string;
  let url: string;

  before(async () => {
    const home = await mkdtemp(join(await temporaryParent(), "ridemesh-admin-test-"));
    running.push({ stop: () => rm(home, { recursive: true, force: true, maxRetries: 5 }) });
    dataDir = join(home, "data");
    const postgres = await startEmbeddedPostgres({ dataDir, log, settings: "test" });
    running.push(postgres);
    const platform = await startPlatform({
      superuserUrl: postgres.superuserUrl,
      dataDir,
      dataKeys: await loadDataKeys(dataDir),
      identity: { bcryptCost: 4, temporaryData: true, firstAccounts: [] },
      gateway: { host: "127.0.0.1", port: 0 },
      wall,
      domain: domainClock({ wall }),
      log,
    });
    running.push(platform);
    ({ url } = platform);
  });
  after(() => stopAll(running));

  async function run(args: string[], input = "") {
    const script = join("services", "standalone", "create-admin.ts");
    const child = spawn(process.execPath, ["--import", "tsx", script, ...args], {
      cwd: repositoryFolder,
    });
    let output = "";
    let complaints = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    child.stdin.on("error", () => undefined).end(input);
    const [code] = (await once(child, "close")) as [number];
    return { code, output, complaints };
  }

  /** Runs it over the platform's folder. */
  const create = (operator: string, email: string, more: string[] = [], input = "") =>
    run(["--data-dir", dataDir, "--operator", operator, "--email", email, ...more], input);

  /** Runs it, and expects one line that says why not. */
  async function refused(work: Promise<{ code: number; output: string; complaints: string }>) {
    const { code, output, complaints } = await work;
    expect([code, output]).to.deep.equal([1, ""]);
    expect(complaints).to.match(/^create-admin: .*\n$/);
    return complaints.slice("create-admin: ".length, -1);
  }

  async function logIn(operator: string, email: string, password: string) {
    const answer = await fetch(`${url}/api/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ operator, email, password }),
    });
    const { user } = (await answer.json()) as {
      user?: { roles: string[]; displayName: string };
    };
    return { status: answer.status, roles: user?.roles, name: user?.displayName };
  }

  it("refuses what cannot be an admin, in a line that says why", async () => {
    const [operator, email, password] = await Promise.all([
      refused(create("metropolis", "a@example.org")),
      refused(create("metro", "nobody")),
      refused(create("metro", "a@example.org", ["--password-stdin"], "short\n")),
    ]);
    expect(operator).to.equal("there is no operator metropolis; there are harbor, metro");
    expect(email).to.equal('"nobody" is not an e-mail address');
    expect(password).to.match(/^password: /);
  });

  it("makes the first admin of an operator, with a password of its own making", async () => {
    const { code, output, complaints } = await create("metro", "first@example.org");
    expect([code, complaints]).to.deep.equal([0, ""]);
    const [, password] =
      /^Made first@example\.org, admin of metro\.\nPassword: (\S{16})\n$/.exec(output) ?? [];
    expect(await logIn("metro", "first@example.org", password!)).to.deep.equal({
      status: 200,
      roles: ["ROLE_ADMIN"],
      name: "Admin",
    });
  });

  it("takes a password from standard input, and does not repeat it", async () => {
    const more = ["--name", "Hanne Hafen", "--password-stdin"];
    const { code, output } = await create("harbor", "first@example.org", more, `${chosen}\n`);
    expect([code, output]).to.deep.equal([0, "Made first@example.org, admin of harbor.\n"]);
    expect(await logIn("harbor", "first@example.org", chosen)).to.deep.equal({
      status: 200,
      roles: ["ROLE_ADMIN"],
      name: "Hanne Hafen",
    });
  });

  it("makes no second one: the first can", async () => {
    expect(await refused(create("metro", "second@example.org"))).to.equal(
      "operator metro has an admin already, who can make others: POST /api/users",
    );
    expect((await logIn("metro", "second@example.org", chosen)).status).to.equal(401);
  });

  it("says what is missing: options, a folder, a running platform", async () => {
    await stopAll(running.splice(1));
    const elsewhere = join(dataDir, "documents");
    const who = ["--operator", "metro", "--email", "a@example.org"];
    const [email, option, folder] = await Promise.all([
      refused(run(["--operator", "metro"])),
      refused(run(["--operater", "metro"])),
      refused(run([...who, "--data-dir", elsewhere])),
    ]);
    expect(email).to.equal("--operator and --email are needed; --help says more");
    expect(option).to.match(/--help lists the options$/);
    expect(folder).to.equal(
      `${elsewhere} is not a data folder that this user may read; see --data-dir`,
    );
    expect(await refused(create("metro", "a@example.org"))).to.equal(
      `no platform is running over ${dataDir}; start it with: npm start`,
    );
  });
});
