import { expect } from "chai";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, processConfig, type Environment } from "./config.js";

describe("the configuration of a process", () => {
  let folder: string;
  let sound: Environment;
  const key = Buffer.alloc(32, 1).toString("base64");

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-config-"));
    const certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    const privateKey = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    await writeFile(join(folder, "cert"), certificate);
    await writeFile(join(folder, "key"), privateKey);
    sound = {
      DATABASE_URL: "postgres://ridemesh_trip:secret@db:5432/ridemesh",
      DATABASE_OWNER_URL: "postgres://ridemesh_owner:secret@db:5432/ridemesh",
      BUS_DATABASE_URL: "postgresql://ridemesh_bus:secret@db:5432/ridemesh",
      TLS_CERT_FILE: join(folder, "cert"),
      TLS_KEY_FILE: join(folder, "key"),
      TLS_CA_FILE: join(folder, "cert"),
      LISTEN_PORT: "9000",
      SERVICE_ADDRESSES: "identity=identity:9000, trip=10.0.0.7:9001",
      DATA_KEYS: `new:${key},old:${Buffer.alloc(32, 2).toString("base64")}`,
      DATA_DIR: folder,
    };
  });
  after(() => rm(folder, { recursive: true }));

  const problemsOf = (env: Environment): string[] => {
    try {
      processConfig(env);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  };

  it("has a default for everything that has a usual value", () => {
    const config = processConfig(sound);
    expect(config).to.deep.include({
      databasePoolSize: 5,
      listen: { host: "0.0.0.0", port: 9000 },
      logLevel: "info",
      metricsPort: 9464,
      domainClock: { rate: 1, origin: undefined, wallOrigin: undefined },
      version: "0.1.0",
    });
  });

  it("reads addresses, and keys with the newest first", () => {
    const config = processConfig(sound);
    expect(Object.fromEntries(config.addresses)).to.deep.equal({
      identity: "identity:9000",
      trip: "10.0.0.7:9001",
    });
    expect(config.dataKeys.map((one) => one.id)).to.deep.equal(["new", "old"]);
    expect(config.dataKeys[0].key).to.deep.equal(Buffer.alloc(32, 1));
  });

  it("reads a clock that all processes share", () => {
    const config = processConfig({
      ...sound,
      DOMAIN_CLOCK_RATE: "60",
      DOMAIN_CLOCK_ORIGIN: "2019-03-01T00:00:00Z",
      DOMAIN_CLOCK_WALL_ORIGIN: "2026-01-01T08:00:00+01:00",
    });
    expect(config.domainClock).to.deep.equal({
      rate: 60,
      origin: new Date("2019-03-01T00:00:00Z"),
      wallOrigin: new Date("2026-01-01T07:00:00Z"),
    });
  });

  it("names every variable that is missing, in one error", () => {
    expect(problemsOf({})).to.deep.equal([
      "DATABASE_URL is missing",
      "DATABASE_OWNER_URL is missing",
      "BUS_DATABASE_URL is missing",
      "TLS_CERT_FILE is missing",
      "TLS_KEY_FILE is missing",
      "TLS_CA_FILE is missing",
      "LISTEN_PORT is missing",
      "SERVICE_ADDRESSES is missing",
      "DATA_KEYS is missing",
    ]);
  });

  const wrong: [variables: Environment, problem: RegExp][] = [
    [{ DATABASE_URL: "mysql://u@h/d" }, /^DATABASE_URL is not a postgres:\/\/ URL$/],
    [{ DATABASE_URL: "postgres://h/d" }, /^DATABASE_URL names no user or no database$/],
    [{ DATABASE_POOL_SIZE: "1" }, /^DATABASE_POOL_SIZE is "1", not a whole number from 2 to 200$/],
    [{ LISTEN_PORT: "70000" }, /^LISTEN_PORT is "70000", not a whole number from 0 to 65535$/],
    [{ TLS_KEY_FILE: "/nowhere/key" }, /^TLS_KEY_FILE names \/nowhere\/key, .*\(ENOENT\)$/],
    [
      { SERVICE_ADDRESSES: "identity" },
      /^SERVICE_ADDRESSES has "identity", not service=host:port$/,
    ],
    [{ SERVICE_ADDRESSES: "trip=a:1" }, /^SERVICE_ADDRESSES names no identity/],
    [
      { SERVICE_ADDRESSES: "identity=a:1,identity=b:1" },
      /^SERVICE_ADDRESSES names a service twice$/,
    ],
    [{ DATA_KEYS: "id:QUJD" }, /^DATA_KEYS has a key id of 3 bytes, not 32$/],
    [{ DATA_KEYS: "QUJD" }, /^DATA_KEYS is not id:base64,… at key 1$/],
    [{ DATA_KEYS: `a:${key},a:${key}` }, /^DATA_KEYS has an id twice$/],
    [{ DATA_DIR: "/dev/null/x" }, /^DATA_DIR names \/dev\/null\/x, which cannot be written to/],
    [{ LOG_LEVEL: "loud" }, /^LOG_LEVEL is "loud", not one of fatal, /],
    [{ METRICS_PORT: "x" }, /^METRICS_PORT is "x", not a whole number/],
    [{ DOMAIN_CLOCK_RATE: "0" }, /^DOMAIN_CLOCK_RATE is "0", not a positive number$/],
    [{ DOMAIN_CLOCK_RATE: "60" }, /^DOMAIN_CLOCK_ORIGIN and DOMAIN_CLOCK_WALL_ORIGIN go together/],
  ];
  for (const [variables, problem] of wrong) {
    const [name, value] = Object.entries(variables)[0]!;
    it(`is refused with ${name}=${value}`, () => {
      const problems = problemsOf({ ...sound, ...variables });
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(problem);
    });
  }

  it("is refused with a time that is none, and with a file that holds something else", () => {
    expect(
      problemsOf({
        ...sound,
        TLS_KEY_FILE: join(folder, "cert"),
        DOMAIN_CLOCK_ORIGIN: "yesterday",
        DOMAIN_CLOCK_WALL_ORIGIN: "2026-01-01T00:00:00Z",
      }),
    ).to.deep.equal([
      `TLS_KEY_FILE names ${join(folder, "cert")}, which holds no PEM PRIVATE KEY`,
      'DOMAIN_CLOCK_ORIGIN is "yesterday", not a time such as 2026-01-31T08:00:00Z',
    ]);
  });

  it("repeats no password and no key in what it says", () => {
    const text = problemsOf({ ...sound, DATABASE_URL: "http://u:hunter2@h/d", DATA_KEYS: key });
    expect(text).to.have.length(2);
    expect(text.join()).not.to.contain("hunter2");
    expect(text.join()).not.to.contain(key);
  });
});
