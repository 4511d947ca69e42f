import { expect } from "chai";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFolderStore, type BlobInfo } from "./blob-store.js";

const collect = async (infos: AsyncIterable<BlobInfo>): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of infos) keys.push(key);
  return keys.toSorted();
};

describe("blob store in a folder", () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "ridemesh-blobs-"));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it("gives back what was put, and the newest of two", async () => {
    const store = createFolderStore(join(parent, "made-when-needed"));
    await store.put("a/b", Buffer.from("one"));
    await store.put("a/b", Buffer.from("two"));
    expect((await store.get("a/b"))?.toString()).to.equal("two");
    expect(await readdir(join(parent, "made-when-needed", "a"))).to.deep.equal(["b"]);
  });

  it("has nothing under an unknown or removed key", async () => {
    const store = createFolderStore(parent);
    await store.put("gone", Buffer.from("x"));
    await store.remove("gone");
    await store.remove("gone");
    expect(await store.get("gone")).to.equal(undefined);
    expect(await store.get("never/was")).to.equal(undefined);
  });

  it("lists every key, and nothing when the folder is not there yet", async () => {
    const store = createFolderStore(parent);
    await store.put("one", Buffer.from("1"));
    await store.put("deep/er/two", Buffer.from("2"));
    expect(await collect(store.list())).to.deep.equal(["deep/er/two", "one"]);
    expect(await collect(createFolderStore(join(parent, "none")).list())).to.deep.equal([]);
  });

  it("lets no key lead out of its folder", async () => {
    await writeFile(join(parent, "secret"), "secret");
    const store = createFolderStore(join(parent, "inside"));
    for (const key of ["../secret", "a/../../secret", "/etc/passwd", "", ".", "a//b", "a\0b"]) {
      for (const attempt of [store.get(key), store.remove(key), store.put(key, Buffer.from("x"))]) {
        const outcome = await attempt.then(
          () => "done",
          (error: Error) => error.message,
        );
        expect(outcome, JSON.stringify(key)).to.equal("not a blob key");
      }
    }
  });

  it("keeps files from other accounts of the machine", async () => {
    await createFolderStore(parent).put("private", Buffer.from("x"));
    expect((await stat(join(parent, "private"))).mode & 0o077).to.equal(0);
  });
});
