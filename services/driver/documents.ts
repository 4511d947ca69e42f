/** Documents and their files. */
import type { Document } from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import type {
  AddDocumentRequest,
  AddDocumentResponse,
  GetDocumentFileRequest,
  GetDocumentFileResponse,
} from "../../gen/grpc/ridemesh/driver/v1/driver_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { WallClock } from "../runtime/clock.js";
import { uuidv7 } from "../runtime/ids.js";
import type { Pool } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";
import { invalidField, notFound } from "../runtime/status.js";
import type { BlobInfo, BlobStore } from "./blob-store.js";
import { changeDriver, type ChangeDeps } from "./changes.js";
import { sniffContentType } from "./file-type.js";
import { isExpired } from "./onboarding.js";
import type { DriverStore } from "./store.js";
import { storableTime } from "./times.js";

export interface DocumentDeps extends ChangeDeps {
  blobs: BlobStore;
  secrets: Secrets;
}

/**
 * Keeps a document in the place of an older one of its type. The file is written before the row
 * commits: a row never lacks its file, and a file whose row did not come is swept later.
 */
export async function addDocument(
  deps: DocumentDeps,
  request: AddDocumentRequest,
  ctx: CallContext,
): Promise<AddDocumentResponse> {
  const { driverId, type, content } = request;
  const contentType = sniffContentType(content);
  if (!contentType) throw invalidField("content", "is neither PNG, JPEG nor PDF", "BAD_FILE");
  const expireTime = storableTime("expire_time", request.expireTime!);
  const createTime = deps.domain.now();
  if (isExpired(expireTime, createTime)) {
    throw invalidField("expire_time", "has passed", "DOCUMENT_EXPIRED");
  }
  const documentId = uuidv7(createTime);
  const sizeBytes = content.length;
  const document: Document = { documentId, type, expireTime, contentType, sizeBytes, createTime };
  await deps.blobs.put(documentId, deps.secrets.encrypt(content));

  let replaced: Document | undefined;
  const response = await changeDriver(deps, ctx, driverId, async (driver, tx) => {
    replaced = driver.documents.find((one) => one.type === type);
    const others = driver.documents.filter((one) => one !== replaced);
    await deps.store.putDocument(tx, driver, document);
    const documents = [...others, document].toSorted((a, b) => a.type - b.type);
    return { driver: { ...driver, documents }, reviewerId: "" };
  });
  if (replaced) {
    await deps.blobs
      .remove(replaced.documentId)
      .catch((error: unknown) =>
        ctx.log.warn({ err: error }, "a replaced file is left to the sweep"),
      );
  }
  return response;
}

/** A document's file. NOT_FOUND when the driver has no such document, or has just replaced it. */
export async function getDocumentFile(
  deps: DocumentDeps,
  { driverId, documentId }: GetDocumentFileRequest,
  ctx: CallContext,
): Promise<GetDocumentFileResponse> {
  const { tenantId } = ctx.caller;
  const document = await deps.store.findDocument(deps.pool, tenantId, driverId, documentId);
  const sealed = document && (await deps.blobs.get(document.documentId));
  if (!sealed) throw notFound("document");
  return { contentType: document.contentType, content: deps.secrets.decrypt(sealed) };
}

/** Files younger than this may still get their row. */
const orphanAgeMs = 3_600_000;
const sweepBatch = 500;

/**
 * Removes files that no document has: of calls that failed or were killed, and of replaced documents.
 *
 * @returns how many.
 */
export async function sweepOrphans(deps: {
  pool: Pool;
  store: DriverStore;
  blobs: BlobStore;
  wall: WallClock;
}): Promise<number> {
  const before = new Date(deps.wall.now().getTime() - orphanAgeMs);
  let removed = 0;
  let batch: BlobInfo[] = [];
  const sweep = async (): Promise<void> => {
    const ids = batch.map((blob) => blob.key).filter((key) => uuid.test(key));
    const known = await deps.store.knownDocuments(deps.pool, ids);
    for (const { key } of batch) {
      if (known.has(key)) continue;
      await deps.blobs.remove(key);
      removed += 1;
    }
    batch = [];
  };
  for await (const blob of deps.blobs.list()) {
    if (blob.modifyTime >= before) continue;
    batch.push(blob);
    if (batch.length >= sweepBatch) await sweep();
  }
  await sweep();
  return removed;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
