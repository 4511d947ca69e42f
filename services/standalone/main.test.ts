/** `npm start`, as a person does it: in a process of its own, with a terminal's signals. */
import { expect } from "chai";
import { execFile } from "node:child_process";
import { once } from "node:events";
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import {
  ServerReflection,
  ServerReflectionRequestSchema,
} from "../../gen/es/grpc/reflection/v1/reflection_pb.js";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import {
  allGone,
  repositoryFolder,
  runProgram,
  runShell,
  type Program,
  type ProgramOptions,
  type Relative,
} from "../testing/program.js";
import { temporaryParent } from "../testing/temporary-folder.js";
import { waitFor } from "../testing/wait-for.js";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
const password = "a person's own password";

describe("npm start", function () {
  this.timeout(120_000);
  let home: string;
  const programs: Program[] = [];

  before(async () => {
    home = await mkdtemp(join(await temporaryParent(), "ridemesh-start-test-"));
    await chmod(home, 0o777);
  });
  after(async () => {
    for (const program of programs.filter((one) => !one.hasEnded())) {
      const family = await program.family();
      program.signal("SIGKILL");
      for (const { pid } of family) process.kill(pid, "SIGKILL");
    }
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });

  function start(args: string[], options?: ProgramOptions): Program {
    const program = runProgram("services/standalone/main.ts", args, options);
    programs.push(program);
    return program;
  }

  /** Starts it on a free port and reads what it prints. */
  async function ready(args: string[], options?: ProgramOptions): Promise<Running> {
    const beganMs = performance.now();
    const program = start(["--port", "0", ...args], options);
    await program.printed(/^Ctrl-C stops everything\.$/m);
    const readyMs = performance.now() - beganMs;
    const url = /^ +gateway +(http:\/\/localhost:\d+) /m.exec(program.output())![1]!;
    return { ...program, url, readyMs, family: await program.family() };
  }

  /** Waits until the program has ended with this code, and all processes of its with it. */
  async function ends(running: Running, code: number | NodeJS.Signals): Promise<void> {
    const beganMs = performance.now();
    expect(await running.ended, running.complaints()).to.equal(code);
    await allGone(running.family);
    told(`stopped within ${seconds(performance.now() - beganMs)}`);
  }

  describe("with the demo city", () => {
    let data: string;
    let running: Running;
    let kept: DemoSession[];
    let sessionsBefore: number;
    const rider = { operator: "metro", email: "someone@example.org", password };

    before(() => {
      data = join(home, "demo");
    });

    it("gets ready in an empty folder and says where everything is", async () => {
      running = await ready(["--data-dir", data]);
      told(`first start: ready after ${seconds(running.readyMs)}`);
      const text = running.output();
      expect(text).to.match(/^Ridemesh is ready \(\d+\.\d s\)\n/);
      expect(text).to.match(new RegExp(`^ +data +${data}$`, "m"));
      const places = ["gateway", "map", "API docs", "health", "metrics"];
      for (const place of places) {
        const url = new RegExp(`^  ${place} +(http://localhost:\\d+\\S*)`, "m").exec(text)![1]!;
        const answer = await fetch(url);
        expect([place, answer.status]).to.deep.equal([place, 200]);
        await answer.text();
      }
      expect(text.split("\n").length).to.be.lessThan(25);
    });

    it("prints credentials of a rider, a driver and an admin that work at once", async () => {
      const roles: Record<string, unknown> = {};
      const lines = running.output().matchAll(/^ +(\w+)@demo\.example +(\S+)$/gm);
      for (const [, name, secret] of lines) {
        const email = `${name}@demo.example`;
        const { status, json } = await logIn(running.url, {
          operator: "metro",
          email,
          password: secret!,
        });
        expect(status).to.equal(200);
        roles[name!] = (json["user"] as { roles: string[] }).roles;
      }
      expect(roles).to.deep.equal({
        rider: ["ROLE_RIDER"],
        driver: ["ROLE_DRIVER"],
        admin: ["ROLE_ADMIN"],
      });
    });

    it("prints commands to paste that work as printed", async () => {
      const line = (command: string) =>
        new RegExp(`^  (${command} .*)$`, "m").exec(running.output())![1]!;
      const answered = async (command: string): Promise<Record<string, unknown>> => {
        const shell = runShell(line(command));
        expect(await shell.ended, shell.complaints()).to.equal(0);
        return JSON.parse(shell.output()) as Record<string, unknown>;
      };

      if (await isInstalled("curl")) {
        expect((await answered("curl"))["session"]).to.include.keys("accessToken");
      } else {
        const [, url, body] = /-s (\S+) .*-d '(.*)'$/.exec(line("curl"))!;
        const answer = await fetch(url!, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: body!,
        });
        expect(answer.status).to.equal(200);
        await answer.text();
      }

      expect(namesOf(await answered("npx buf curl"))).to.deep.equal(["New York"]);

      if (await isInstalled("grpcurl")) {
        expect(namesOf(await answered("grpcurl"))).to.deep.equal(["New York"]);
      } else {
        const [, operator, host, service] =
          /-plaintext -d '\{"operator":"(\w+)"\}' (\S+) (\S+)\/ListCities$/.exec(line("grpcurl"))!;
        // grpcurl asks for the service's description first.
        expect(await listedServices(host!)).to.include(service);
        expect(await cityNames(host!, operator!)).to.deep.equal(["New York"]);
      }
    });

    it("ends with everything at Ctrl-C, while the demo makes its accounts", async () => {
      const answer = await send(running.url, "/api/auth/register", {
        ...rider,
        display_name: "Some One",
        role: "ROLE_RIDER",
      });
      expect(answer.status, JSON.stringify(answer.json)).to.equal(201);
      await waitFor("the demo to have begun", async () => {
        kept = await demoSessions(data);
        return kept.length > 3;
      });
      sessionsBefore = await countSessions(data, kept);
      // A terminal sends it to the whole process group, and npm passes on what it got itself.
      running.interrupt();
      running.interrupt();
      await ends(running, 0);
      expect(running.complaints()).to.equal("");
    });

    it("finds its data at the second start, and the demo goes on with the same people", async () => {
      running = await ready(["--data-dir", data]);
      told(`second start: ready after ${seconds(running.readyMs)}`);
      expect((await logIn(running.url, rider)).status).to.equal(200);
      await waitFor("the demo to have refreshed its sessions", async () => {
        const tokens = new Set((await demoSessions(data)).map((one) => one.refreshToken));
        return kept.every((one) => !tokens.has(one.refreshToken));
      });
      expect(await countSessions(data, kept)).to.equal(sessionsBefore);
    });

    it("recovers by itself when node was killed and its PostgreSQL lives on", async () => {
      running.signal("SIGKILL");
      expect(await running.ended).to.equal("SIGKILL");
      const orphans = running.family;
      expect(await query(data, "SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
      running = await ready(["--data-dir", data]);
      told(`after kill -9: ready after ${seconds(running.readyMs)}`);
      await allGone(orphans);
      expect((await logIn(running.url, rider)).status).to.equal(200);
    });

    it("recovers by itself when all was killed, and with --quiet says nothing", async () => {
      const pids = running.family.map(({ pid }) => pid);
      for (const pid of [running.pid, ...pids]) process.kill(pid, "SIGKILL");
      await running.ended;
      const port = await freePort();
      const program = start(["--data-dir", data, "--quiet", "--port", String(port)]);
      const url = `http://localhost:${port}`;
      await waitFor(
        "readiness",
        async () => (await fetch(`${url}/health/ready`)).status === 200,
        60_000,
      );
      expect((await logIn(url, rider)).status).to.equal(200);
      const quiet = { ...program, url, readyMs: 0, family: await program.family() };
      quiet.interrupt("SIGTERM");
      await ends(quiet, 0);
      expect([quiet.output(), quiet.complaints()]).to.deep.equal(["", ""]);
    });

    it("ends with a clear line when its PostgreSQL dies", async () => {
      running = await ready(["--data-dir", data]);
      const [server] = running.family.filter(({ command }) => command.includes(data));
      process.kill(server!.pid, "SIGKILL");
      await ends(running, 1);
      expect(running.complaints()).to.equal(
        `ridemesh: PostgreSQL has stopped: see ${join(data, "postgres.log")}\n`,
      );
    });
  });

  describe("with --no-demo", () => {
    let running: Running;
    let data: string;

    before(async () => {
      data = join(home, "empty data");
      running = await ready(["--data-dir", data, "--no-demo"]);
    });

    it("says how the first admin is made, whose login then works", async () => {
      expect(running.output()).not.to.include("@demo.example");
      const command = /^ +(npm run create-admin -- .*)$/m.exec(running.output())![1]!;
      const shell = runShell(command);
      expect(await shell.ended, shell.complaints()).to.equal(0);
      const secret = /^Password: (\S+)$/m.exec(shell.output())![1]!;
      const email = /--email (\S+)/.exec(command)![1]!;
      const { json } = await logIn(running.url, { operator: "metro", email, password: secret });
      expect((json["user"] as { roles: string[] }).roles).to.deep.equal(["ROLE_ADMIN"]);
    });

    it("keeps its folder to itself", async () => {
      const second = start(["--data-dir", data, "--port", "0"]);
      expect(await second.ended).to.equal(1);
      expect(second.complaints()).to.equal(
        `ridemesh: the data folder ${data} is in use by the Ridemesh process ${running.pid}: ` +
          `stop that one, or choose another with --data-dir\n`,
      );
    });

    it("ends at once at a second Ctrl-C, and leaves nothing", async () => {
      const [server] = running.family.filter(({ command }) => command.includes(data));
      // Whatever waits for a server that hangs.
      process.kill(server!.pid, "SIGSTOP");
      running.interrupt();
      await running.printed(/Stopping/);
      await waitFor("the end", () => {
        if (!running.hasEnded()) running.interrupt();
        return running.hasEnded();
      });
      process.kill(server!.pid, "SIGCONT");
      await ends(running, 130);
      expect(running.complaints()).to.equal("");
    });
  });

  describe("interrupted before it is ready", () => {
    let data: string;

    before(() => {
      data = join(home, "interrupted");
    });

    const moments: [what: string, file: RegExp][] = [
      ["while the database is made", /^postgres\.new-\d+\.pid$/],
      ["while the services start", /^ridemesh\.log$/],
    ];
    for (const [what, file] of moments) {
      it(`ends with everything at Ctrl-C ${what}`, async () => {
        const program = start(["--data-dir", data, "--port", "0"]);
        await waitFor(`a file ${file}`, () => hasFile(data, file), 60_000);
        const family = await program.family();
        expect(family).not.to.deep.equal([]);
        program.interrupt();
        await ends({ ...program, url: "", readyMs: 0, family }, 0);
        expect([program.output(), program.complaints()]).to.deep.equal(["\nStopping…\n", ""]);
      });
    }

    it("starts on the same folder afterwards", async () => {
      const running = await ready(["--data-dir", data, "--no-demo"]);
      running.interrupt("SIGTERM");
      await ends(running, 0);
      expect(running.complaints()).to.equal("");
    });

    it("ends with everything when npm is told to end", async () => {
      const npm = runShell(`exec npm start -- --port 0 --no-demo --data-dir '${data}'`);
      programs.push(npm);
      await npm.printed(/^Ctrl-C stops everything\.$/m);
      const family = await npm.family();
      expect(family.some(({ command }) => /main\.ts/.test(command))).to.equal(true);
      npm.signal("SIGTERM");
      await npm.ended;
      await allGone(family);
      expect(npm.output()).to.match(/\nStopping…\n$/);
    });
  });

  describe("that cannot start says so in one line that says what to do", () => {
    const refused = async (args: string[], user?: ProgramOptions["user"]): Promise<string> => {
      const program = start(args, user ? { user } : {});
      expect(await program.ended).to.equal(1);
      expect(program.output()).to.equal("");
      expect(program.complaints()).to.match(/^ridemesh: .*\n$/);
      return program.complaints().slice("ridemesh: ".length, -1);
    };

    it("with an option that there is not: the nearest that there is", async () => {
      expect(await refused(["--prot", "80"])).to.equal(
        "unknown option --prot: did you mean --port?; --help lists the options",
      );
    });

    it("with a port in use", async () => {
      const other = createServer().listen(0, "127.0.0.1");
      await once(other, "listening");
      const { port } = other.address() as { port: number };
      const data = join(home, "never made");
      try {
        expect(await refused(["--port", String(port), "--data-dir", data])).to.equal(
          `port ${port} is in use; choose another with --port, or 0 for a free one`,
        );
      } finally {
        other.close();
      }
      expect(await access(data).catch(() => "missing")).to.equal("missing");
    });

    it("with somebody else's folder, which it leaves alone", async () => {
      const data = join(home, "holidays");
      await mkdir(data);
      await writeFile(join(data, "photo.jpg"), "");
      expect(await refused(["--port", "0", "--data-dir", data])).to.match(
        /^the folder .*holidays is not empty and was not made by Ridemesh: choose an empty or/,
      );
    });

    it("with the folder of another version", async () => {
      const data = join(home, "other version");
      await mkdir(data);
      await writeFile(join(data, "ridemesh.json"), '{"format":99}');
      expect(await refused(["--port", "0", "--data-dir", data])).to.match(
        /has format 99, this version of Ridemesh knows 1: start the version that made it, or/,
      );
    });

    it("with a file in it that is another user's", async () => {
      const data = join(home, "mixed");
      await mkdir(data);
      await writeFile(join(data, "ridemesh.json"), '{"format":1}\n');
      // What nobody can read as a file, whoever starts.
      await mkdir(join(data, "ridemesh.log"));
      expect(await refused(["--port", "0", "--data-dir", data])).to.match(
        /^cannot use .*ridemesh\.log \(.*\): put that right, or choose another folder/,
      );
    });
  });

  describe("as an ordinary user without a home", function () {
    it(isRoot ? "runs when root hands it to nobody" : "runs as everybody here", async function () {
      const user = isRoot ? nobody : undefined;
      // In a clone that is closed to others nobody can run anything.
      if (user && !(await canRead(user))) this.skip();
      const data = join(home, "nobody");
      const running = await ready(["--data-dir", data, "--no-demo"], user && { user });
      expect((await fetch(`${running.url}/health/ready`)).status).to.equal(200);
      running.interrupt();
      await ends(running, 0);
      expect(running.complaints()).to.equal("");
    });

    it("says so when it may not read the folder", async function () {
      if (!isRoot || !(await canRead(nobody))) this.skip();
      const data = join(home, "closed");
      await mkdir(data, { mode: 0o700 });
      const program = start(["--port", "0", "--data-dir", data], { user: nobody });
      expect(await program.ended).to.equal(1);
      expect(program.complaints()).to.match(
        /^ridemesh: cannot read and write the data folder .*closed \(it belongs to user id 0\): permission denied; start as the user it belongs to, or choose another with --data-dir\n$/,
      );
    });
  });
});

interface Running extends Omit<Program, "family"> {
  url: string;
  readyMs: number;
  family: Relative[];
}

interface Answer {
  status: number;
  json: Record<string, unknown>;
}

async function send(url: string, path: string, body: unknown): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}

function logIn(
  url: string,
  who: { operator: string; email: string; password: string },
): Promise<Answer> {
  return send(url, "/api/auth/login", who);
}

function namesOf(answer: Record<string, unknown>): string[] {
  return (answer["cities"] as { name: string }[]).map(({ name }) => name);
}

/** Asks the gateway over gRPC which services there are, as grpcurl does first. */
async function listedServices(host: string): Promise<string[]> {
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: `http://${host}` }));
  const question = create(ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  });
  const questions = async function* () {
    yield await Promise.resolve(question);
  };
  for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
    if (messageResponse.case === "listServicesResponse") {
      return messageResponse.value.service.map(({ name }) => name);
    }
  }
  return [];
}

/** Calls over gRPC. */
async function cityNames(host: string, operator: string): Promise<string[]> {
  const client = createClient(CityService, createGrpcTransport({ baseUrl: `http://${host}` }));
  return (await client.listCities({ operator })).cities.map(({ name }) => name);
}

interface DemoSession {
  userId: string;
  refreshToken: string;
}

/** The demo's sessions, as the data folder keeps them. */
async function demoSessions(data: string): Promise<DemoSession[]> {
  const text = await readFile(join(data, "demo-sessions.json"), "utf8");
  return Object.values(JSON.parse(text) as Record<string, DemoSession>);
}

/** How many sessions these people have: each login and registration makes one. */
async function countSessions(data: string, people: DemoSession[]): Promise<number> {
  const sql = "SELECT count(*)::int AS n FROM identity.sessions WHERE user_id = ANY ($1)";
  const rows = await query(data, sql, [people.map(({ userId }) => userId)]);
  return (rows as { n: number }[])[0]!.n;
}

async function query(data: string, sql: string, values: unknown[] = []): Promise<unknown[]> {
  const read = (name: string) => readFile(join(data, name), "utf8").then((text) => text.trim());
  const [secret, port] = await Promise.all([read("postgres-password"), read("postgres-port")]);
  const client = new pg.Client(`postgres://postgres:${secret}@127.0.0.1:${port}/postgres`);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

async function hasFile(folder: string, name: RegExp): Promise<boolean> {
  return (await readdir(folder)).some((entry) => name.test(entry));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function isInstalled(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

/** Whether the user can run node, and read this repository. */
async function canRead(user: { uid: number; gid: number }): Promise<boolean> {
  const main = join(repositoryFolder, "services", "standalone", "main.ts");
  const script = `require("node:fs").readFileSync(${JSON.stringify(main)})`;
  return promisify(execFile)(process.execPath, ["-e", script], { ...user, cwd: "/" }).then(
    () => true,
    () => false,
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Figures belong to the machine: they are told, never judged. */
function told(text: string): void {
  process.stdout.write(`      ${text}\n`);
}
