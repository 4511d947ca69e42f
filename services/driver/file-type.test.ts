import { expect } from "chai";
import { sniffContentType } from "./file-type.js";

describe("file types", () => {
  const cases: [string, Uint8Array, string | undefined][] = [
    ["PNG", Buffer.from("89504e470d0a1a0a00", "hex"), "image/png"],
    ["JPEG", Buffer.from("ffd8ffe000104a46", "hex"), "image/jpeg"],
    ["PDF", Buffer.from("%PDF-1.7\n"), "application/pdf"],
    ["the beginning of a PNG", Buffer.from("89504e470d0a1a", "hex"), undefined],
    ["a PDF after other bytes", Buffer.from(" %PDF-1.7"), undefined],
    ["GIF", Buffer.from("GIF89a\0\0"), undefined],
    ["HTML", Buffer.from("<html><body>"), undefined],
    ["nothing", Buffer.alloc(0), undefined],
  ];
  for (const [name, bytes, expected] of cases) {
    it(`takes ${name} for ${expected ?? "none of the three"}`, () => {
      expect(sniffContentType(bytes)).to.equal(expected);
    });
  }
});
