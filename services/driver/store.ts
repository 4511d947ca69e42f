/** The rows of drivers with their vehicles and documents. */
import type {
  Availability,
  Document,
  DocumentType,
  OnboardingStatus,
  Vehicle,
} from "../../gen/grpc/ridemesh/driver/v1/driver.js";
import type { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { statement, type Db, type Row } from "../runtime/postgres.js";
import type { Secrets } from "../runtime/secrets.js";

/** A driver, as the rows tell it. */
export interface DriverRecord {
  tenantId: string;
  driverId: string;
  displayName: string;
  cityId: string;
  onboardingStatus: OnboardingStatus;
  reviewComment: string;
  /** Offline or online, as last set. */
  availability: Availability;
  /** Raised by one whenever availability or vehicle change. */
  availabilityVersion: bigint;
  /** The vehicle that he drives now or drove last. */
  vehicleId: string | undefined;
  vehicles: Vehicle[];
  documents: Document[];
  ratingSum: number;
  ratingCount: number;
  /** Whether a trip of his is under way. */
  onTrip: boolean;
  createTime: Date;
}

interface DriverRow extends Row {
  tenant_id: string;
  driver_id: string;
  city_id: string;
  display_name: Buffer;
  onboarding_status: OnboardingStatus;
  review_comment: string;
  availability: Availability;
  availability_version: bigint;
  vehicle_id: string | null;
  rating_sum: number;
  rating_count: number;
  create_time: Date;
  on_trip: boolean;
}

interface VehicleRow extends Row {
  vehicle_id: string;
  driver_id: string;
  plate: Buffer;
  make: string;
  model: string;
  year: number;
  color: string;
  vehicle_class: VehicleClass;
  seats: number;
}

interface DocumentRow extends Row {
  document_id: string;
  driver_id: string;
  type: DocumentType;
  expire_time: Date;
  content_type: string;
  size_bytes: number;
  create_time: Date;
}

const driverColumns = `d.tenant_id, d.driver_id, d.city_id, d.display_name, d.onboarding_status,
  d.review_comment, d.availability, d.availability_version, d.vehicle_id, d.rating_sum,
  d.rating_count, d.create_time,
  EXISTS (SELECT 1 FROM driver_trips t
          WHERE t.tenant_id = d.tenant_id AND t.driver_id = d.driver_id AND t.active) AS on_trip`;

const select = statement<DriverRow>(
  "drivers_select",
  `SELECT ${driverColumns} FROM drivers d WHERE tenant_id = $1 AND driver_id = ANY ($2::uuid[])`,
);
const lockRow = statement(
  "driver_lock",
  "SELECT 1 FROM drivers WHERE tenant_id = $1 AND driver_id = $2 FOR UPDATE",
);
const page = statement<DriverRow>(
  "drivers_page",
  `SELECT ${driverColumns} FROM drivers d
   WHERE tenant_id = $1 AND (create_time, driver_id) < ($2::timestamptz, $3::uuid)
   ORDER BY create_time DESC, driver_id DESC LIMIT $4`,
);
const pageOfStatus = statement<DriverRow>(
  "drivers_page_of_status",
  `SELECT ${driverColumns} FROM drivers d
   WHERE tenant_id = $1 AND (create_time, driver_id) < ($2::timestamptz, $3::uuid)
     AND onboarding_status = $5
   ORDER BY create_time DESC, driver_id DESC LIMIT $4`,
);
const insert = statement(
  "driver_insert",
  `INSERT INTO drivers (tenant_id, driver_id, city_id, display_name, onboarding_status, availability,
                        create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);
const update = statement(
  "driver_update",
  `UPDATE drivers SET onboarding_status = $3, review_comment = $4, availability = $5,
     availability_version = $6, vehicle_id = $7
   WHERE tenant_id = $1 AND driver_id = $2`,
);
const selectVehicles = statement<VehicleRow>(
  "vehicles_select",
  `SELECT vehicle_id, driver_id, plate, make, model, year, color, vehicle_class, seats FROM vehicles
   WHERE tenant_id = $1 AND driver_id = ANY ($2::uuid[]) ORDER BY create_time, vehicle_id`,
);
const insertVehicleRow = statement(
  "vehicle_insert",
  `INSERT INTO vehicles (tenant_id, vehicle_id, driver_id, plate, plate_index, make, model, year,
                         color, vehicle_class, seats, create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
);
const documentColumns =
  "document_id, driver_id, type, expire_time, content_type, size_bytes, create_time";
const selectDocuments = statement<DocumentRow>(
  "documents_select",
  `SELECT ${documentColumns} FROM documents
   WHERE tenant_id = $1 AND driver_id = ANY ($2::uuid[]) ORDER BY type`,
);
const selectDocument = statement<DocumentRow>(
  "document_select",
  `SELECT ${documentColumns} FROM documents
   WHERE tenant_id = $1 AND driver_id = $2 AND document_id = $3`,
);
const upsertDocument = statement(
  "document_upsert",
  `INSERT INTO documents (tenant_id, driver_id, type, document_id, expire_time, content_type,
                          size_bytes, create_time)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
   ON CONFLICT (tenant_id, driver_id, type) DO UPDATE
   SET document_id = $4, expire_time = $5, content_type = $6, size_bytes = $7, create_time = $8`,
);
const knownDocuments = statement<Row & { document_id: string }>(
  "documents_known",
  "SELECT document_id FROM documents WHERE document_id = ANY ($1::uuid[])",
);
const insertReview = statement(
  "driver_review_insert",
  `INSERT INTO driver_reviews (tenant_id, driver_id, onboarding_status, comment, reviewer_id,
                               review_time)
   VALUES ($1, $2, $3, $4, $5, $6)`,
);

/** The unique constraint on a driver's account. */
export const driverKey = "drivers_pkey";
/** The unique constraint on plates. */
export const plateKey = "vehicles_plate";

/** All SQL of drivers but that of events (trips.ts, earnings.ts). */
export interface DriverStore {
  /** The drivers of these ids that there are, in no order. */
  load(db: Db, tenantId: string, driverIds: string[]): Promise<DriverRecord[]>;
  /** One driver, his row locked until the transaction ends. */
  lock(tx: Db, tenantId: string, driverId: string): Promise<DriverRecord | undefined>;
  /** Drivers after a position, newest first; status 0 means all. */
  list(
    db: Db,
    of: { tenantId: string; status: OnboardingStatus },
    after: Position | undefined,
    limit: number,
  ): Promise<DriverRecord[]>;
  /** Adds a driver who has just applied. */
  insert(tx: Db, driver: DriverRecord): Promise<void>;
  /** Writes what changes in a driver's life: status, comment, availability, vehicle. */
  update(tx: Db, driver: DriverRecord): Promise<void>;
  /** Adds a vehicle. Throws a violation of `plateKey` when the operator has its plate already. */
  insertVehicle(
    tx: Db,
    driver: DriverRecord,
    vehicle: Vehicle,
    plateIndex: Buffer,
    now: Date,
  ): Promise<void>;
  /** Adds a document in the place of an older one of its type. */
  putDocument(tx: Db, driver: DriverRecord, document: Document): Promise<void>;
  findDocument(
    db: Db,
    tenantId: string,
    driverId: string,
    documentId: string,
  ): Promise<Document | undefined>;
  /** Those of the ids that belong to a document of any tenant. */
  knownDocuments(db: Db, documentIds: string[]): Promise<Set<string>>;
  /** Notes a change of status and who made it; empty when it came by itself. */
  insertReview(tx: Db, driver: DriverRecord, reviewerId: string, now: Date): Promise<void>;
}

/** A position in the list of drivers. */
export interface Position {
  createTime: Date;
  driverId: string;
}

const end: Position = {
  createTime: new Date("9999-01-01T00:00:00Z"),
  driverId: "ffffffff-ffff-ffff-ffff-ffffffffffff",
};

/** The store; names and plates are encrypted with `secrets`. */
export function createDriverStore(secrets: Secrets): DriverStore {
  /** Adds vehicles and documents to rows of one tenant. */
  const complete = async (db: Db, tenantId: string, rows: DriverRow[]): Promise<DriverRecord[]> => {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.driver_id);
    const vehicles = await selectVehicles(db, [tenantId, ids]);
    const documents = await selectDocuments(db, [tenantId, ids]);
    return rows.map((row) => ({
      tenantId,
      driverId: row.driver_id,
      displayName: secrets.decryptText(row.display_name),
      cityId: row.city_id,
      onboardingStatus: row.onboarding_status,
      reviewComment: row.review_comment,
      availability: row.availability,
      availabilityVersion: row.availability_version,
      vehicleId: row.vehicle_id ?? undefined,
      vehicles: vehicles
        .filter((vehicle) => vehicle.driver_id === row.driver_id)
        .map((vehicle) => toVehicle(vehicle, secrets)),
      documents: documents
        .filter((document) => document.driver_id === row.driver_id)
        .map(toDocument),
      ratingSum: row.rating_sum,
      ratingCount: row.rating_count,
      onTrip: row.on_trip,
      createTime: row.create_time,
    }));
  };
  const load = async (db: Db, tenantId: string, driverIds: string[]): Promise<DriverRecord[]> =>
    complete(db, tenantId, await select(db, [tenantId, driverIds]));

  return {
    load,
    lock: async (tx, tenantId, driverId) => {
      const locked = await lockRow(tx, [tenantId, driverId]);
      if (locked.length === 0) return undefined;
      // A statement of its own, so that it sees what the last holder of the lock has written.
      return (await load(tx, tenantId, [driverId]))[0];
    },
    list: async (db, { tenantId, status }, after, limit) => {
      const { createTime, driverId } = after ?? end;
      const values = [tenantId, createTime, driverId, limit];
      const rows = status ? await pageOfStatus(db, [...values, status]) : await page(db, values);
      return complete(db, tenantId, rows);
    },
    insert: async (tx, driver) => {
      await insert(tx, [
        driver.tenantId,
        driver.driverId,
        driver.cityId,
        secrets.encryptText(driver.displayName),
        driver.onboardingStatus,
        driver.availability,
        driver.createTime,
      ]);
    },
    update: async (tx, driver) => {
      await update(tx, [
        driver.tenantId,
        driver.driverId,
        driver.onboardingStatus,
        driver.reviewComment,
        driver.availability,
        driver.availabilityVersion,
        driver.vehicleId ?? null,
      ]);
    },
    insertVehicle: async (tx, { tenantId, driverId }, vehicle, plateIndex, now) => {
      await insertVehicleRow(tx, [
        tenantId,
        vehicle.vehicleId,
        driverId,
        secrets.encryptText(vehicle.plate),
        plateIndex,
        vehicle.make,
        vehicle.model,
        vehicle.year,
        vehicle.color,
        vehicle.vehicleClass,
        vehicle.seats,
        now,
      ]);
    },
    putDocument: async (tx, { tenantId, driverId }, document) => {
      await upsertDocument(tx, [
        tenantId,
        driverId,
        document.type,
        document.documentId,
        document.expireTime,
        document.contentType,
        document.sizeBytes,
        document.createTime,
      ]);
    },
    findDocument: async (db, tenantId, driverId, documentId) => {
      const [row] = await selectDocument(db, [tenantId, driverId, documentId]);
      return row && toDocument(row);
    },
    knownDocuments: async (db, documentIds) =>
      new Set((await knownDocuments(db, [documentIds])).map((row) => row.document_id)),
    insertReview: async (tx, driver, reviewerId, now) => {
      const { tenantId, driverId, onboardingStatus, reviewComment } = driver;
      await insertReview(tx, [
        tenantId,
        driverId,
        onboardingStatus,
        reviewComment,
        reviewerId,
        now,
      ]);
    },
  };
}

function toVehicle(row: VehicleRow, secrets: Secrets): Vehicle {
  return {
    vehicleId: row.vehicle_id,
    plate: secrets.decryptText(row.plate),
    make: row.make,
    model: row.model,
    year: row.year,
    color: row.color,
    vehicleClass: row.vehicle_class,
    seats: row.seats,
  };
}

function toDocument(row: DocumentRow): Document {
  return {
    documentId: row.document_id,
    type: row.type,
    expireTime: row.expire_time,
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    createTime: row.create_time,
  };
}
