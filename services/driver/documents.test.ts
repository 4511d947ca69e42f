import { expect } from "chai";
import { randomUUID } from "node:crypto";
import { readFile, readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { DocumentType } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import { DriverServiceService as Drivers } from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { createPool, type Pool } from "../runtime/postgres.js";
import { Code } from "../runtime/status.js";
import { failure } from "../testing/failure.js";
import type { TestCaller } from "../testing/host.js";
import { createFolderStore, type BlobStore } from "./blob-store.js";
import { sweepOrphans } from "./documents.js";
import { createDriverStore } from "./store.js";
import { png, startWorld, validUntil, type World } from "./world.test.js";

describe("documents of drivers", () => {
  let world: World;
  let folder: string;
  let pool: Pool;
  let blobs: BlobStore;
  before(async () => {
    world = await startWorld();
    const { host } = world.host;
    folder = join(host.dataDir, "documents");
    blobs = createFolderStore(folder);
    pool = createPool({ url: host.database.url("driver"), max: 1, name: "test", log: host.log });
  });
  after(async () => {
    await pool.end();
    await world.stop();
  });

  const add = (driver: TestCaller, content: Buffer, options: { key?: string; until?: Date } = {}) =>
    world.host.call.unary(Drivers.addDocument, driver, {
      driverId: driver.subject,
      type: DocumentType.LICENCE,
      expireTime: options.until ?? validUntil,
      content,
      requestId: options.key ?? "",
    });
  const read = (by: TestCaller, driver: TestCaller, documentId: string) =>
    world.host.call.unary(Drivers.getDocumentFile, by, { driverId: driver.subject, documentId });
  const sweep = () => {
    const { host } = world.host;
    return sweepOrphans({ pool, store: createDriverStore(host.secrets), blobs, wall: host.wall });
  };
  /** Makes all files two hours old. */
  const age = async (): Promise<void> => {
    const old = new Date(world.host.host.wall.now().getTime() - 7_200_000);
    for (const name of await readdir(folder)) await utimes(join(folder, name), old, old);
  };

  it("are taken as PNG, JPEG and PDF, by their content", async () => {
    const driver = await world.applied();
    const files: [string, Buffer][] = [
      ["image/png", png],
      ["image/jpeg", Buffer.from("ffd8ffe000104a464946", "hex")],
      ["application/pdf", Buffer.from("%PDF-1.7 and so on")],
    ];
    for (const [contentType, content] of files) {
      const { documents } = (await add(driver, content)).driver!;
      expect(documents.length).to.equal(1);
      expect(documents[0]).to.deep.include({
        type: DocumentType.LICENCE,
        expireTime: validUntil,
        contentType,
        sizeBytes: content.length,
        createTime: world.clock.time,
      });
      const file = await read(driver, driver, documents[0]!.documentId);
      expect(file.contentType).to.equal(contentType);
      expect(Buffer.from(file.content).equals(content)).to.equal(true);
    }
  });

  it("are refused when they are something else, and leave nothing", async () => {
    const driver = await world.applied();
    const files = (await readdir(folder)).length;
    const error = await failure(add(driver, Buffer.from("<html></html>")));
    expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "BAD_FILE" });
    expect(error.violations[0]).to.include({ field: "content" });
    expect((await readdir(folder)).length).to.equal(files);
    expect((await world.get(driver)).documents).to.deep.equal([]);
  });

  it("are refused over 2 MiB, and taken at that size", async () => {
    const driver = await world.applied();
    const largest = Buffer.concat([png, Buffer.alloc(2 * 1024 * 1024 - png.length)]);
    const error = await failure(add(driver, Buffer.concat([largest, Buffer.alloc(1)])));
    expect(error).to.include({ code: Code.INVALID_ARGUMENT });
    expect(error.violations[0]).to.include({ field: "content" });
    const { documents } = (await add(driver, largest)).driver!;
    const file = await read(driver, driver, documents[0]!.documentId);
    expect(Buffer.from(file.content).equals(largest)).to.equal(true);
  });

  it("are refused when they have expired already", async () => {
    const driver = await world.applied();
    const error = await failure(add(driver, png, { until: world.clock.time }));
    expect(error).to.include({ code: Code.INVALID_ARGUMENT, reason: "DOCUMENT_EXPIRED" });
    expect(error.violations[0]).to.include({ field: "expire_time" });
  });

  it("are refused with a time that no calendar holds", async () => {
    const driver = await world.applied();
    const error = await failure(add(driver, png, { until: new Date(8.64e15) }));
    expect(error.violations[0]).to.include({ field: "expire_time" });
  });

  it("lie encrypted in the folder", async () => {
    const driver = await world.applied();
    const { documents } = (await add(driver, Buffer.from("%PDF-1.7 born 1815"))).driver!;
    const file = await readFile(join(folder, documents[0]!.documentId));
    expect(file.toString("latin1")).to.not.contain("born");
  });

  it("are read by their owner and reviewers of the operator only", async () => {
    const driver = await world.applied();
    const { documents } = (await add(driver, png)).driver!;
    const { documentId } = documents[0]!;
    const support = { ...world.admin(), roles: [Role.SUPPORT] };
    for (const caller of [driver, world.admin(), support]) {
      expect((await read(caller, driver, documentId)).contentType).to.equal("image/png");
    }
    const other = await world.applied();
    for (const caller of [other, world.admin("harbor")]) {
      expect(await failure(read(caller, driver, documentId))).to.include({ code: Code.NOT_FOUND });
    }
    // Under his own id another driver has no such document either.
    expect(await failure(read(other, other, documentId))).to.include({ code: Code.NOT_FOUND });
    const rider = { subject: randomUUID(), roles: [Role.RIDER] };
    const refused = await failure(read(rider, driver, documentId));
    expect(refused).to.include({ code: Code.PERMISSION_DENIED });
  });

  it("replace the older one of their type, file and all", async () => {
    const driver = await world.applied();
    const first = (await add(driver, png)).driver!.documents[0]!;
    const second = (await add(driver, Buffer.from("%PDF-1.7 new"))).driver!.documents;
    expect(second.length).to.equal(1);
    expect(await failure(read(driver, driver, first.documentId))).to.include({
      code: Code.NOT_FOUND,
    });
    const files = await readdir(folder);
    expect(files).to.not.include(first.documentId);
    expect(files).to.include(second[0]!.documentId);
  });

  it("keep one row and one file of many added at once", async () => {
    for (let round = 0; round < 3; round += 1) {
      const driver = await world.applied();
      await age();
      await sweep();
      const before = await readdir(folder);
      await Promise.all(
        Array.from({ length: 10 }, (_, i) => add(driver, Buffer.from(`%PDF-1.7 number ${i}`))),
      );
      const { documents } = await world.get(driver);
      expect(documents.length).to.equal(1);
      const added = (await readdir(folder)).filter((name) => !before.includes(name));
      expect(added).to.deep.equal([documents[0]!.documentId]);
    }
  });

  it("are added once by 50 requests under one key, and the spare files are swept", async () => {
    const driver = await world.applied();
    const key = randomUUID();
    await age();
    await sweep();
    const before = await readdir(folder);
    const answers = await Promise.all(Array.from({ length: 50 }, () => add(driver, png, { key })));
    for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    await age();
    await sweep();
    const added = (await readdir(folder)).filter((name) => !before.includes(name));
    expect(added).to.deep.equal([answers[0]!.driver!.documents[0]!.documentId]);
  });

  it("leave no file behind when their row did not come, once an hour has passed", async () => {
    await age();
    await sweep();
    const before = await readdir(folder);
    // Nobody who has not applied has documents; the file was written by then.
    expect(await failure(add(world.account(), png))).to.include({ code: Code.NOT_FOUND });
    await blobs.put(`${randomUUID()}.0123456789ab.part`, Buffer.from("half"));
    expect((await readdir(folder)).length).to.equal(before.length + 2);
    expect(await sweep()).to.equal(0);
    await age();
    expect(await sweep()).to.equal(2);
    expect((await readdir(folder)).toSorted()).to.deep.equal(before.toSorted());
  });
});
