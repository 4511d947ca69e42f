import { expect } from "chai";
import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterArgument, serverUser } from "./postgres-user.js";
import { StartError } from "./start-error.js";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

describe("PostgreSQL's user", () => {
  let home: string;
  let cluster: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "ridemesh-user-test-"));
    cluster = join(home, "data", "postgres");
    await mkdir(cluster, { recursive: true, mode: 0o700 });
  });

  afterEach(() => rm(home, { recursive: true, force: true }));

  if (!isRoot) {
    it("is the one who starts it", async () => {
      expect(await serverUser(cluster)).to.equal(undefined);
      expect(await clusterArgument(cluster, undefined)).to.equal(cluster);
    });
    return;
  }

  it("is, for root, the system user postgres", async () => {
    const user = await serverUser(join(home, "new"));
    expect(user).to.have.all.keys("uid", "gid");
    expect(user!.uid).to.be.greaterThan(0);
  });

  it("is, for root, the owner of what an ordinary user has made", async () => {
    await chown(cluster, nobody.uid, nobody.gid);
    expect(await serverUser(cluster)).to.deep.equal(nobody);
  });

  it("is asked for in one line where it cannot be made", async () => {
    const outcome = await serverUser(cluster, "no:such user").catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(StartError);
    expect((outcome as StartError).message).to.match(/could not be made: start as an ordinary/);
  });

  it("reaches a cluster below root's closed folders by the working folder on Linux only", async () => {
    await chown(cluster, nobody.uid, nobody.gid);
    expect(await clusterArgument(cluster, nobody, "linux")).to.equal("/proc/self/cwd");
    const outcome = await clusterArgument(cluster, nobody, "darwin").catch((e: unknown) => e);
    expect(outcome).to.be.instanceOf(StartError);
    expect((outcome as StartError).message).to.match(/cannot enter .*: choose another with --data/);
    await chmod(home, 0o755);
    expect(await clusterArgument(cluster, nobody, "darwin")).to.equal(cluster);
  });
});
