/** Writes tables as CSV files. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileError } from "./input-error.js";

type Rows = Iterable<readonly string[]> | AsyncIterable<readonly string[]>;

/**
 * Writes the rows below a header and returns how many they were. A file is replaced only when all was
 * written. Throws InputError when the file cannot be written, and what the rows throw.
 */
export async function writeCsv(
  path: string,
  header: readonly string[],
  rows: Rows,
): Promise<number> {
  const unfinished = `${path}.part`;
  let count = 0;
  async function* lines(): AsyncGenerator<string> {
    yield csvLine(header);
    for await (const row of rows) {
      count += 1;
      yield csvLine(row);
    }
  }
  try {
    await pipeline(Readable.from(lines()), createWriteStream(unfinished));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw fileError(path, error);
  }
  return count;
}

function csvLine(cells: readonly string[]): string {
  return `${cells.map(quote).join(",")}\n`;
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
