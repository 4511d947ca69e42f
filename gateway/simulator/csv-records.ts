/** Reads the records of a CSV file one by one, each with its line, and goes on after a damaged one. */
import { CsvError, parse } from "csv-parse/sync";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { fileError, InputError } from "./input-error.js";

/** A record by the names of its columns, in lower case, or what is wrong with it. */
export type CsvRecord =
  { line: number; fields: ReadonlyMap<string, string> } | { line: number; problem: string };

/** A quoted field may hold line breaks; one that spans more lines than this was never closed. */
const MAX_LINES_PER_RECORD = 8;

/**
 * The records of the CSV file at `path`, in order. The first line that is not blank names the columns,
 * in any order and letter case; `required` ones must be among them, others are passed on too. Blank
 * lines are no records. Lines count from 1.
 *
 * Throws InputError when the file cannot be read, is empty, or lacks a column.
 */
export async function* readCsvRecords(
  path: string,
  required: readonly string[],
): AsyncGenerator<CsvRecord> {
  const file = basename(path);
  let columns: string[] | undefined;
  try {
    for await (const record of splitRecords(linesOf(path), () => columns?.length)) {
      if (columns === undefined) {
        columns = columnsOf(file, record, required);
      } else if ("problem" in record) {
        yield record;
      } else {
        yield named(record.line, record.cells, columns);
      }
    }
  } catch (error) {
    throw fileError(path, error);
  }
  if (columns === undefined) throw new InputError(`${file} is empty`);
}

/** The columns of the CSV file at `path`, in lower case. Throws as `readCsvRecords` does. */
export async function readCsvColumns(path: string): Promise<string[]> {
  const file = basename(path);
  try {
    for await (const header of splitRecords(linesOf(path), () => undefined)) {
      return columnsOf(file, header, []);
    }
  } catch (error) {
    throw fileError(path, error);
  }
  throw new InputError(`${file} is empty`);
}

interface Line {
  line: number;
  text: string;
}

type Cells = { line: number; cells: string[] } | { line: number; problem: string };

async function* linesOf(path: string): AsyncGenerator<Line> {
  const handle = await open(path);
  try {
    let line = 0;
    for await (const raw of handle.readLines({ encoding: "utf8" })) {
      line += 1;
      const text = line === 1 ? raw.replace(/^\uFEFF/, "") : raw;
      if (text.trim() !== "") yield { line, text };
    }
  } finally {
    await handle.close();
  }
}

/**
 * Records of lines. Each is parsed on its own, because a stray quote would otherwise swallow all lines
 * up to the next quote; a line without quotes needs no parser.
 */
async function* splitRecords(
  lines: AsyncGenerator<Line>,
  width: () => number | undefined,
): AsyncGenerator<Cells> {
  const waiting: Line[] = [];
  const lineAt = async (index: number): Promise<Line | undefined> => {
    while (waiting.length <= index) {
      const next = await lines.next();
      if (next.done === true) return undefined;
      waiting.push(next.value);
    }
    return waiting[index];
  };
  try {
    for (let first = await lineAt(0); first !== undefined; first = await lineAt(0)) {
      const { line } = first;
      if (!first.text.includes('"')) {
        waiting.shift();
        yield { line, cells: first.text.split(",").map((cell) => cell.trim()) };
        continue;
      }
      let parsed = parseQuoted(first.text);
      let taken = 1;
      for (
        let text = first.text;
        parsed === "unclosed" && taken < MAX_LINES_PER_RECORD;
        taken += 1
      ) {
        const next = await lineAt(taken);
        if (next === undefined) break;
        text += `\n${next.text}`;
        parsed = parseQuoted(text);
      }
      // Two stray quotes on different lines look like one field: only a record of the right width is one.
      const joins = taken === 1 || (Array.isArray(parsed) && parsed.length === width());
      waiting.splice(0, joins ? taken : 1);
      yield Array.isArray(parsed) && joins
        ? { line, cells: parsed }
        : { line, problem: parsed === "broken" ? "misplaced quote" : "a quote is never closed" };
    }
  } finally {
    await lines.return(undefined);
  }
}

function parseQuoted(text: string): string[] | "unclosed" | "broken" {
  try {
    const records: string[][] = parse(text, {
      // Blanks between a comma and a quote.
      trim: true,
      relax_quotes: true,
      relax_column_count: true,
    });
    return records.length === 1 ? records[0]!.map((cell) => cell.trim()) : "broken";
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return error.code === "CSV_QUOTE_NOT_CLOSED" ? "unclosed" : "broken";
  }
}

function columnsOf(file: string, header: Cells, required: readonly string[]): string[] {
  if ("problem" in header) throw new InputError(`${file}: its first line: ${header.problem}`);
  const columns = header.cells.map((name) => name.toLowerCase());
  requireColumns(file, columns, required);
  return columns;
}

/** Throws InputError unless each required column is there once. */
export function requireColumns(
  file: string,
  columns: readonly string[],
  required: readonly string[],
): void {
  const missing = required.filter((name) => !columns.includes(name));
  if (missing.length > 0) {
    const names = missing.map((name) => `"${name}"`).join(", ");
    throw new InputError(
      `${file} has no column ${names}; it has: ${shorten(columns.join(", "), 200)}`,
    );
  }
  const twice = required.find((name) => columns.indexOf(name) !== columns.lastIndexOf(name));
  if (twice !== undefined) throw new InputError(`${file} has the column "${twice}" twice`);
}

function named(line: number, cells: readonly string[], columns: readonly string[]): CsvRecord {
  const extra = cells.slice(columns.length).some((cell) => cell !== "");
  if (cells.length < columns.length || extra) {
    return { line, problem: `${cells.length} fields where the header has ${columns.length}` };
  }
  return { line, fields: new Map(columns.map((name, index) => [name, cells[index]!])) };
}

/** A text fit to be shown: at most `length` characters, a sign where it was cut, nothing unprintable. */
export function shorten(text: string, length: number): string {
  const shown = text.slice(0, length).replace(/\p{C}/gu, "?");
  return text.length <= length ? shown : `${shown.slice(0, length - 1)}…`;
}
