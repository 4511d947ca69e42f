/** Reads columns of numbers and times from Parquet files. */
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type ColumnData,
  type FileMetaData,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { InputError } from "./input-error.js";

/** A Parquet file whose footer was read. */
export interface ParquetFile {
  path: string;
  /** Its top-level columns, as it writes them. */
  columns: string[];
  rowCount: number;
  metadata: FileMetaData;
}

/** A row, and its place in the file from 0. */
export interface ParquetRow {
  index: number;
  /** One for each column that was asked for: a number, a time in seconds since 1970, or null. */
  values: (number | null)[];
}

/** Whether the file begins as Parquet files do. */
export async function isParquet(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString("latin1") === "PAR1";
  } finally {
    await handle.close();
  }
}

/** Reads a file's footer; throws InputError when it is damaged. */
export async function openParquet(path: string): Promise<ParquetFile> {
  try {
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path));
    const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
    return { path, columns, rowCount: Number(metadata.num_rows), metadata };
  } catch (error) {
    throw damaged(path, error);
  }
}

/**
 * The first row and then every `every`th, with these columns. A row group is read
 * column by column and only the wanted rows are kept, so memory holds one column and what is asked for.
 */
export async function* readParquetRows(
  { path, metadata }: ParquetFile,
  columns: readonly string[],
  every: number,
): AsyncGenerator<ParquetRow> {
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const first = Math.ceil(start / every) * every;
    const count = Math.max(0, Math.ceil((end - first) / every));
    if (count > 0) {
      const wanted = { start, end, first, every, count };
      const read: Float64Array[] = [];
      for (const name of columns) read.push(await readColumn({ path, metadata, name, wanted }));
      for (let row = 0; row < count; row += 1) {
        const values = read.map((column) => (Number.isNaN(column[row]!) ? null : column[row]!));
        yield { index: first + row * every, values };
      }
    }
    start = end;
  }
}

/** The wanted rows of one column within a row group; NaN where there is no value. */
async function readColumn(options: {
  path: string;
  metadata: FileMetaData;
  name: string;
  wanted: { start: number; end: number; first: number; every: number; count: number };
}): Promise<Float64Array> {
  const { path, metadata, name, wanted } = options;
  const chunks: ColumnData[] = [];
  try {
    await parquetRead({
      file: await asyncBufferFromFile(path),
      metadata,
      columns: [name],
      rowStart: wanted.start,
      rowEnd: wanted.end,
      compressors,
      // Times of these files are local and tell no zone: plain seconds, never a Date.
      parsers: {
        timestampFromMilliseconds: (time) => seconds(time, 1e3),
        timestampFromMicroseconds: (time) => seconds(time, 1e6),
        timestampFromNanoseconds: (time) => seconds(time, 1e9),
      },
      onChunk: (chunk) => chunks.push(chunk),
    });
    const column = new Float64Array(wanted.count).fill(NaN);
    for (const { columnData, rowStart } of chunks) {
      const skip = (wanted.every - (rowStart % wanted.every)) % wanted.every;
      for (let at = skip; at < columnData.length; at += wanted.every) {
        const index = (rowStart + at - wanted.first) / wanted.every;
        if (index < wanted.count) column[index] = numberOf(name, columnData[at]);
      }
    }
    return column;
  } catch (error) {
    throw damaged(path, error);
  }
}

function seconds(time: bigint | null | undefined, unitsPerSecond: number): number | null {
  return time === null || time === undefined ? null : Number(time) / unitsPerSecond;
}

function numberOf(name: string, value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value === null || value === undefined) return NaN;
  throw new TypeError(`column ${name} holds a ${typeof value} where a number or time belongs`);
}

function damaged(path: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== undefined) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new InputError(`${basename(path)} cannot be read as Parquet: ${reason}`);
}
