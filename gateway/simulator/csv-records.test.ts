import { expect } from "chai";
import fc from "fast-check";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCsvColumns, readCsvRecords, type CsvRecord } from "./csv-records.js";
import { writeCsv } from "./csv-write.js";
import { InputError } from "./input-error.js";

const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
};

describe("CSV records", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ridemesh-csv-"));
  });
  after(() => rm(folder, { recursive: true }));

  const file = () => join(folder, "table.csv");
  const readFileOf = async (text: string, required: string[] = []) => {
    await writeFile(file(), text);
    return collect(readCsvRecords(file(), required));
  };
  /** Fields of good records, and the problems of others. */
  const plain = (records: CsvRecord[]) =>
    records.map((record) =>
      "problem" in record
        ? { line: record.line, problem: record.problem }
        : { line: record.line, ...Object.fromEntries(record.fields) },
    );
  const failing = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(InputError);
    return (error as InputError).message;
  };

  const twoRows = [
    { line: 2, a: "1", b: "2" },
    { line: 3, a: "3", b: "4" },
  ];
  const variants: Record<string, string> = {
    "line feeds": "a,b\n1,2\n3,4\n",
    "no line feed at the end": "a,b\n1,2\n3,4",
    "carriage returns": "a,b\r\n1,2\r\n3,4\r\n",
    "a byte order mark": "\uFEFFa,b\n1,2\n3,4\n",
    "a byte order mark before a quote": '\uFEFF"a","b"\n1,2\n3,4\n',
    "other letter case": "A,B\n1,2\n3,4\n",
    "blanks around cells": " a , b \n 1, 2\n3 ,4 \n",
    quotes: '"a","b"\n"1","2"\n"3","4"\n',
    "quotes and blanks": 'a,b\n "1" , "2"\n3,4\n',
    "commas at the end": "a,b\n1,2,\n3,4,,\n",
  };
  for (const [name, text] of Object.entries(variants)) {
    it(`are read with ${name}`, async () => {
      expect(plain(await readFileOf(text))).to.deep.equal(twoRows);
    });
  }

  it("keep columns in any order, and columns that nobody asked for", async () => {
    const records = await readFileOf("x,b,a\n9,2,1\n", ["a", "b"]);
    expect(plain(records)).to.deep.equal([{ line: 2, x: "9", b: "2", a: "1" }]);
  });

  it("may hold commas, doubled quotes and line breaks within quotes", async () => {
    const records = await readFileOf('a,b\n"x, y","say ""hi"""\n"two\nlines",z\n5,6\n');
    expect(plain(records)).to.deep.equal([
      { line: 2, a: "x, y", b: 'say "hi"' },
      { line: 3, a: "two\nlines", b: "z" },
      { line: 5, a: "5", b: "6" },
    ]);
  });

  it("count blank lines as lines, not as records", async () => {
    const records = await readFileOf("\n\na,b\n\n1,2\n   \n3,4\n\n");
    expect(records.map(({ line }) => line)).to.deep.equal([5, 7]);
  });

  it("take a quote within a cell as it is", async () => {
    expect(plain(await readFileOf('a,b\n5" nail,x\n'))).to.deep.equal([
      { line: 2, a: '5" nail', b: "x" },
    ]);
  });

  const damages: [name: string, row: string, problem: string][] = [
    ["too few fields", "1", "1 fields where the header has 2"],
    ["too many fields", "1,2,3", "3 fields where the header has 2"],
    ["a quote that is never closed", '"1,2', "a quote is never closed"],
    ["a quote that opens late and is never closed", 'x"y,"2', "a quote is never closed"],
    ["text after a closing quote", '"1"x,2', "misplaced quote"],
  ];
  for (const [name, row, problem] of damages) {
    it(`go on after ${name}`, async () => {
      const records = await readFileOf(`a,b\n${row}\n1,2\n3,4\n`);
      expect(plain(records)).to.deep.equal([
        { line: 2, problem },
        { line: 3, a: "1", b: "2" },
        { line: 4, a: "3", b: "4" },
      ]);
    });
  }

  it("lose one row to each of two stray quotes, not the rows between them", async () => {
    const records = await readFileOf('a,b\n"1,2\n1,2\n3,4\n5,6"\n7,8\n');
    expect(plain(records)).to.deep.equal([
      { line: 2, problem: "a quote is never closed" },
      { line: 3, a: "1", b: "2" },
      { line: 4, a: "3", b: "4" },
      { line: 5, a: "5", b: '6"' },
      { line: 6, a: "7", b: "8" },
    ]);
  });

  it("are as many as there are lines, whatever the rows hold", async () => {
    const cell = fc.string({ unit: fc.constantFrom("1", "a", '"', " ", ",", "é") });
    const line = cell.filter((text) => text.trim() !== "" && !text.includes('"'));
    await fc.assert(
      fc.asyncProperty(fc.array(line), cell, fc.array(line), async (before, damaged, after) => {
        const lines = ["a,b", ...before, `${damaged}x`, ...after];
        const records = await readFileOf(lines.join("\n"));
        expect(records).to.have.length(lines.length - 1);
        expect(records.map((record) => record.line)).to.deep.equal(
          lines.slice(1).map((_, i) => i + 2),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("name the columns that a file lacks, and those that it has", async () => {
    expect(await failing(readFileOf("a,c\n1,2\n", ["a", "b", "d"]))).to.equal(
      'table.csv has no column "b", "d"; it has: a, c',
    );
    expect(await failing(readFileOf("a;b\n1;2\n", ["a", "b"]))).to.equal(
      'table.csv has no column "a", "b"; it has: a;b',
    );
  });

  it("show nothing of a file that is no table which a terminal would obey", async () => {
    expect(await failing(readFileOf("\u007fELF\u0002\u001b[2J\u0000,x\n", ["a"]))).to.equal(
      'table.csv has no column "a"; it has: ?elf??[2j?, x',
    );
  });

  it("refuse a file that has a column twice", async () => {
    expect(await failing(readFileOf("a,b,A\n1,2,3\n", ["a", "b"]))).to.equal(
      'table.csv has the column "a" twice',
    );
  });

  it("refuse empty files and files that are none", async () => {
    for (const empty of ["", "\n\n", "\uFEFF", "  \n"]) {
      expect(await failing(readFileOf(empty, ["a"]))).to.equal("table.csv is empty");
    }
    const missing = join(folder, "missing.csv");
    expect(await failing(collect(readCsvRecords(missing, [])))).to.equal(
      `${missing}: there is no such file or folder`,
    );
    expect(await failing(collect(readCsvRecords(folder, [])))).to.equal(
      `${folder}: this is a folder, not a file`,
    );
  });

  it("tell the columns alone", async () => {
    await writeFile(file(), 'B,"a ",C\n1,2\n');
    expect(await readCsvColumns(file())).to.deep.equal(["b", "a", "c"]);
  });

  it("read back what was written, whatever the cells hold", async () => {
    // Blanks at the ends are not kept, and a row of blanks only is a blank line.
    const cell = fc
      .string({ unit: fc.constantFrom("a", "7", ",", '"', "\n", " ", "é") })
      .filter((text) => text === text.trim() && !/\n\s*\n|^\n|\n$/.test(text));
    const rows = fc.array(fc.tuple(fc.constant("x"), cell, cell), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(rows, async (written) => {
        const few = written.filter((row) => row.join("").split("\n").length <= 8);
        expect(await writeCsv(file(), ["a", "b", "c"], few)).to.equal(few.length);
        const records = await collect(readCsvRecords(file(), ["a", "b", "c"]));
        expect(
          records.map((record) => ("fields" in record ? [...record.fields.values()] : record)),
        ).to.deep.equal(few);
      }),
      { numRuns: 100 },
    );
  });

  it("leave the file as it was when the rows fail half-way", async () => {
    await writeFile(file(), "before");
    async function* failingRows() {
      yield ["1"];
      throw new InputError("the source broke");
    }
    expect(await failing(writeCsv(file(), ["a"], failingRows()))).to.equal("the source broke");
    expect(await readFile(file(), "utf8")).to.equal("before");
    expect(await readdir(folder)).to.deep.equal(["table.csv"]);
  });
});
