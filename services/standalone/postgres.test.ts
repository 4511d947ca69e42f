import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { silentLogger } from "../runtime/log.js";
import type { ChildOptions, ChildReport } from "../testing/postgres-child.js";
import { temporaryParent } from "../testing/temporary-folder.js";
import { waitFor } from "../testing/wait-for.js";
import { findBinaries } from "./postgres-binaries.js";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./postgres.js";
import { findProcess } from "./processes.js";
import { StartError } from "./start-error.js";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

/** Whom the platform is started as: root can try both ways. */
const starters = isRoot
  ? [{ who: "root" }, { who: "an ordinary user", user: nobody }]
  : [{ who: "an ordinary user" }];
const ordinary = starters.at(-1)!;

describe("the embedded PostgreSQL", function () {
  this.timeout(60_000);
  let home: string;
  const children: Child[] = [];

  beforeEach(async () => {
    home = await mkdtemp(join(await temporaryParent(), "ridemesh-postgres-test-"));
    await chmod(home, 0o777);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.process.stdin!.end();
      await child.exited;
    }
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });

  async function startChild(options: Partial<ChildOptions> = {}): Promise<Child> {
    const { user } = options;
    // A program that became another user cannot make the copy of the binaries that this user may need.
    const programs = user && (await findBinaries({ user }));
    const child = await spawnChild({
      dataDir: join(home, "data"),
      ...(programs && { binariesFolder: dirname(dirname(programs.postgres)) }),
      ...options,
    });
    children.push(child);
    return child;
  }

  for (const { who, user } of starters) {
    describe(`started as ${who}`, () => {
      it("makes a database at the first start and finds its data at the second", async () => {
        const first = await startChild({ user });
        await query(first.url, "CREATE TABLE ride (id int); INSERT INTO ride VALUES (7)");
        await first.stop();
        const second = await startChild({ user });
        expect(await query(second.url, "SELECT id FROM ride")).to.deep.equal([{ id: 7 }]);
        expect(second.port).to.equal(first.port);
      });

      it("recovers when node was killed and its server lives on", async () => {
        const first = await startChild({ user });
        await query(first.url, "CREATE TABLE ride AS SELECT 7 AS id");
        await first.kill();
        expect(await query(first.url, "SELECT id FROM ride")).to.deep.equal([{ id: 7 }]);
        const second = await startChild({ user });
        expect(await findProcess(first.pid)).to.equal(undefined);
        expect(await query(second.url, "SELECT id FROM ride")).to.deep.equal([{ id: 7 }]);
      });

      it("recovers when node and its server were killed", async () => {
        const first = await startChild({ user });
        await query(first.url, "CREATE TABLE ride AS SELECT 7 AS id");
        await first.kill();
        process.kill(first.pid, "SIGKILL");
        const second = await startChild({ user });
        expect(await query(second.url, "SELECT id FROM ride")).to.deep.equal([{ id: 7 }]);
      });
    });
  }

  it("recovers when node was killed during the first start", async () => {
    const dataDir = join(home, "data");
    const child = spawnNode({ dataDir });
    await waitFor("initdb at work", async () =>
      (await readdir(dataDir)).some((entry) => /^postgres\.new-.*\.pid$/.test(entry)),
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    const server = await startChild();
    expect(await query(server.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    const left = (await readdir(dataDir)).filter((entry) => entry.startsWith("postgres.new-"));
    expect(left).to.deep.equal([]);
  });

  it("refuses a folder that a living process uses, and takes it when that has stopped", async () => {
    const first = await startChild();
    const refused = await failChild({ dataDir: join(home, "data") });
    expect(refused.error).to.match(/is in use by the Ridemesh process \d+: stop that one, or/);
    expect(refused.error).to.include(String(first.process.pid));
    expect(refused.exitCode).to.equal(1);
    expect(await query(first.url, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    await first.stop();
    await startChild();
  });

  it("refuses a folder that cannot be read, without a stack trace", async () => {
    const dataDir = join(home, "closed");
    await mkdir(dataDir, { mode: 0 });
    const refused = await failChild({ dataDir, user: ordinary.user });
    expect(refused.error).to.match(
      /^cannot read and write the data folder .* permission denied; start as the user/,
    );
  });

  it("refuses a folder that cannot be made", async () => {
    await chmod(home, 0o755);
    const parent = join(home, "parent");
    await mkdir(parent, { mode: 0o555 });
    const refused = await failChild({ dataDir: join(parent, "data"), user: ordinary.user });
    expect(refused.error).to.match(
      /^cannot make the data folder .* choose another with --data-dir/,
    );
  });

  it("outlives Ctrl-C in the terminal until it is stopped", async () => {
    const child = await startChild();
    // A terminal sends the signal to the whole process group.
    process.kill(-child.process.pid!, "SIGINT");
    expect(await child.nextLine()).to.deep.equal({ answer: "still here" });
    expect(await child.exited).to.equal(0);
    expect(await findProcess(child.pid)).to.equal(undefined);
  });

  describe("on one data folder, again and again", () => {
    let shared: string;
    let dataDir: string;
    const servers: EmbeddedPostgres[] = [];

    before(async () => {
      shared = await mkdtemp(join(await temporaryParent(), "ridemesh-postgres-test-"));
      dataDir = join(shared, "data");
      await (await start()).stop();
    });

    afterEach(async () => {
      for (const server of servers.splice(0)) await server.stop();
    });

    after(() => rm(shared, { recursive: true, force: true, maxRetries: 5 }));

    async function start(options: { port?: number; settings?: "test" | "durable" } = {}) {
      const server = await startEmbeddedPostgres({ dataDir, log: silentLogger, ...options });
      servers.push(server);
      return server;
    }

    async function failToStart(options: { port?: number } = {}): Promise<string> {
      const given = { dataDir, log: silentLogger, ...options };
      const outcome = await startEmbeddedPostgres(given).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(StartError);
      const { message, exitCode } = outcome as StartError;
      expect(exitCode).to.equal(1);
      expect(message).to.not.include("\n");
      return message;
    }

    /** Runs `test` while the file has this content, or is away. */
    async function withFile(name: string, content: string | undefined, test: () => Promise<void>) {
      const path = join(dataDir, name);
      await rename(path, join(shared, "kept"));
      try {
        if (content !== undefined) await writeFile(path, content);
        await test();
      } finally {
        await rename(join(shared, "kept"), path);
      }
    }

    it("serves UTF-8 and 200 connections, to this machine and with a password only", async () => {
      const server = await start();
      const settings = await query(
        server.superuserUrl,
        `SELECT current_setting('server_encoding') AS encoding, upper('tøwn') AS upper,
                current_setting('max_connections') AS connections,
                current_setting('listen_addresses') AS addresses,
                current_setting('unix_socket_directories') AS sockets,
                current_setting('fsync') AS fsync,
                current_setting('full_page_writes') AS pages,
                current_setting('synchronous_commit') AS commit`,
      );
      expect(settings).to.deep.equal([
        {
          encoding: "UTF8",
          upper: "TØWN",
          connections: "200",
          addresses: "127.0.0.1",
          sockets: ".",
          fsync: "on",
          pages: "on",
          commit: "on",
        },
      ]);
      const refused = await query(server.url("postgres", "guess"), "SELECT 1").catch(
        (e: unknown) => e,
      );
      expect(refused).to.include({ code: "28P01" });
      const password = join(dataDir, "postgres-password");
      expect((await stat(password)).mode & 0o777).to.equal(0o600);
    });

    it("gives every role a URL, whatever is in its password", async () => {
      const server = await start({ settings: "test" });
      const secret = "a/b c@d:é?%20";
      await query(server.superuserUrl, `CREATE ROLE rider LOGIN PASSWORD '${secret}'`);
      const rows = await query(server.url("rider", secret), "SELECT current_user AS me");
      expect(rows).to.deep.equal([{ me: "rider" }]);
    });

    it("stops with clients connected, keeps what they committed, and can be stopped twice", async () => {
      const server = await start();
      const client = new pg.Client(server.superuserUrl);
      client.on("error", () => undefined);
      await client.connect();
      await client.query("CREATE TABLE ride AS SELECT 7 AS id");
      await client.query("BEGIN; DELETE FROM ride");
      await Promise.all([server.stop(), server.stop()]);
      await server.ended;
      expect(await findProcess(server.pid)).to.equal(undefined);
      const again = await start();
      expect(await query(again.superuserUrl, "SELECT id FROM ride")).to.deep.equal([{ id: 7 }]);
    });

    it("tells when the server has ended by itself, and starts again", async () => {
      const server = await start();
      process.kill(server.pid, "SIGKILL");
      await server.ended;
      await server.stop();
      const again = await start();
      expect(await query(again.superuserUrl, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
    });

    it("starts in spite of a pid file whose pid now belongs to another process", async () => {
      const server = await start();
      const pidFile = join(dataDir, "postgres", "postmaster.pid");
      const [, ...rest] = (await readFile(pidFile, "utf8")).split("\n");
      const { uid, gid } = await stat(pidFile);
      await server.stop();
      // Of the server's user: PostgreSQL believes pid files only of processes that it may signal.
      const stranger = spawn("cat", [], { uid, gid, stdio: ["pipe", "ignore", "ignore"] });
      try {
        await writeFile(pidFile, [stranger.pid, ...rest].join("\n"), { mode: 0o600 });
        await chown(pidFile, uid, gid);
        const again = await start();
        expect(await query(again.superuserUrl, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
        expect(await findProcess(stranger.pid!)).to.include({ command: "cat" });
      } finally {
        stranger.stdin.end();
        await once(stranger, "exit");
      }
    });

    it("refuses data of another PostgreSQL version, and leaves it alone", async () => {
      await withFile(join("postgres", "PG_VERSION"), "16\n", async () => {
        expect(await failToStart()).to.match(
          /holds data of PostgreSQL 16, this version of Ridemesh runs 17: choose another with --data-dir/,
        );
      });
      await start();
    });

    it("refuses a database whose password is lost", async () => {
      await withFile("postgres-password", undefined, async () => {
        expect(await failToStart()).to.match(/^cannot read .*postgres-password, .*: restore that/);
      });
    });

    it("says what PostgreSQL says when it does not start", async () => {
      await withFile(join("postgres", "postgresql.conf"), "work_mem = much\n", async () => {
        expect(await failToStart()).to.match(
          /^PostgreSQL did not start: FATAL: .*postgresql\.conf/,
        );
      });
    });

    it("refuses a port in use, and takes another when any will do", async () => {
      const { port, stop } = await start();
      await stop();
      const other = createServer().listen(port, "127.0.0.1");
      await once(other, "listening");
      try {
        expect(await failToStart({ port })).to.equal(
          `PostgreSQL cannot listen on port ${port} of 127.0.0.1: stop what uses it, or choose another`,
        );
        const server = await start();
        expect(server.port).to.not.equal(port);
      } finally {
        other.close();
      }
    });
  });
});

interface Child {
  process: ChildProcess;
  pid: number;
  port: number;
  url: string;
  exited: Promise<number | null>;
  nextLine(): Promise<unknown>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

function spawnNode(options: ChildOptions): ChildProcess {
  const script = fileURLToPath(new URL("../testing/postgres-child.ts", import.meta.url));
  // In a process group of its own, as under a shell.
  return spawn(process.execPath, ["--import=tsx", script, JSON.stringify(options)], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
}

async function talk(options: ChildOptions) {
  const child = spawnNode(options);
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<unknown> => {
    const line = await lines.next();
    return line.done ? null : JSON.parse(line.value);
  };
  const report = (await nextLine()) as ChildReport | null;
  if (!report) throw new Error(`the child said nothing and exited with ${await exited}`);
  return { child, exited, nextLine, report };
}

async function spawnChild(options: ChildOptions): Promise<Child> {
  const { child, exited, nextLine, report } = await talk(options);
  if ("error" in report) throw new Error(report.error);
  return {
    process: child,
    pid: report.pid,
    port: report.port,
    url: report.superuserUrl,
    exited,
    nextLine,
    stop: async () => {
      child.stdin!.end();
      expect(await exited).to.equal(0);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function failChild(options: ChildOptions): Promise<{ error: string; exitCode: number }> {
  const { exited, report } = await talk(options);
  if (!("error" in report)) throw new Error("the child started");
  expect(await exited).to.equal(report.exitCode);
  return report;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}
