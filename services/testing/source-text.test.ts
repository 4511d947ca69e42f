import { expect } from "chai";
import { blankSqlComments, importsOf, lineAt, splitSource } from "./source-text.js";

const squeeze = (text: string) => text.replaceAll(/ +/g, " ").trim();

describe("source text", () => {
  const cases: [title: string, source: string, code: string, strings: string][] = [
    ["line comments", "a; // now()\nb;", "a; \nb;", ""],
    ["block comments", "a; /* b\n c */ d;", "a; \n d;", ""],
    ["strings", `f("a // b", 'c');`, `f(" ", ' ');`, "a // b c"],
    ["escaped quotes", String.raw`f("a\"b"); g();`, `f(" "); g();`, String.raw`a\"b`],
    ["templates", "f(`select now()`);", "f(` `);", "select now()"],
    ["code within templates", "`a ${f({ x: 1 })} b`;", "` ${f({ x: 1 })} `;", "a b"],
    [
      "templates within templates",
      "`a ${b ? `c ${d}` : e} f`; g;",
      "` ${b ? ` ${d}` : e} `; g;",
      "a c f",
    ],
    ["regular expressions", "a = /\"'/g; b;", "a = / /g; b;", ""],
    ["slashes in a class", 'f(/[/"]/); b;', "f(/ /); b;", ""],
    ["division", "a = b / c; // d\ne = f(x) / 2;", "a = b / c; \ne = f(x) / 2;", ""],
  ];
  for (const [title, source, code, strings] of cases) {
    it(`tells ${title} apart`, () => {
      const parts = splitSource(source);
      expect(squeeze(parts.code)).to.equal(squeeze(code));
      expect(squeeze(parts.strings)).to.equal(squeeze(strings));
      expect(parts.code).to.have.length(source.length);
    });
  }

  it("finds imports of every form with their lines, and none in strings and comments", () => {
    const source = [
      `import { a } from "./a.js";`,
      `import "./b.js";`,
      `export { c } from "./c.js";`,
      `const d = await import("./d.js");`,
      `// import { e } from "./e.js";`,
      'const f = `import { g } from "./g.js"`;',
      `import {`,
      `  h,`,
      `} from "./h.js";`,
    ].join("\n");
    expect(importsOf(source).map(({ specifier, line }) => `${line} ${specifier}`)).to.deep.equal([
      "1 ./a.js",
      "2 ./b.js",
      "3 ./c.js",
      "4 ./d.js",
      "9 ./h.js",
    ]);
  });

  it("blanks comments in SQL", () => {
    expect(squeeze(blankSqlComments("select 1 -- now()\n, 2 /* now() */ , 3"))).to.equal(
      squeeze("select 1 \n, 2 , 3"),
    );
  });

  it("counts lines from 1", () => {
    expect([0, 1, 2].map((position) => lineAt("a\nb", position))).to.deep.equal([1, 1, 2]);
  });
});
