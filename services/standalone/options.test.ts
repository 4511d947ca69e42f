import { expect } from "chai";
import { parseOptions, type Options } from "./options.js";
import { StartError } from "./start-error.js";

const defaults: Options = { port: 8080, dataDir: ".ridemesh", demo: true, quiet: false };

describe("the command line", () => {
  const understood: [argv: string[], changes: Partial<Options>][] = [
    [[], {}],
    [["--port", "9000"], { port: 9000 }],
    [["--port=9000"], { port: 9000 }],
    [["--port=0"], { port: 0 }],
    [["--port=65535"], { port: 65535 }],
    [["--port=1", "--port", "2"], { port: 2 }],
    [["--data-dir", "/var/lib/rides"], { dataDir: "/var/lib/rides" }],
    [["--data-dir=a=b"], { dataDir: "a=b" }],
    [["--data-dir=--odd"], { dataDir: "--odd" }],
    [["--data-dir", "-"], { dataDir: "-" }],
    [["--data-dir", "my rides"], { dataDir: "my rides" }],
    [["--no-demo"], { demo: false }],
    [["--quiet"], { quiet: true }],
    [
      ["--quiet", "--port", "1", "--no-demo", "--data-dir=x"],
      { quiet: true, port: 1, demo: false, dataDir: "x" },
    ],
  ];
  for (const [argv, changes] of understood) {
    it(`[${argv.join(" ")}] gives ${JSON.stringify(changes)}`, () => {
      expect(parseOptions(argv)).to.deep.equal({ ...defaults, ...changes });
    });
  }

  const seeHelp = "; --help lists the options";
  const badPort = (value: string) => `--port must be a number from 0 to 65535, not "${value}"`;
  const refused: [argv: string[], message: string][] = [
    [["--prot", "1"], `unknown option --prot: did you mean --port?${seeHelp}`],
    [["--prot=1"], `unknown option --prot: did you mean --port?${seeHelp}`],
    [["-port"], `unknown option -port: did you mean --port?${seeHelp}`],
    [["-p", "1"], `unknown option -p${seeHelp}`],
    [["--datadir", "x"], `unknown option --datadir: did you mean --data-dir?${seeHelp}`],
    [["--data_dir=x"], `unknown option --data_dir: did you mean --data-dir?${seeHelp}`],
    [["--nodemo"], `unknown option --nodemo: did you mean --no-demo?${seeHelp}`],
    [["--demo"], `unknown option --demo: did you mean --no-demo?${seeHelp}`],
    [["--quite"], `unknown option --quite: did you mean --quiet?${seeHelp}`],
    [["--Port", "1"], `unknown option --Port: did you mean --port?${seeHelp}`],
    [["--kubernetes"], `unknown option --kubernetes${seeHelp}`],
    [["--"], `unknown option --${seeHelp}`],
    [["--toString"], `unknown option --toString${seeHelp}`],
    [["9000"], `unexpected argument "9000"${seeHelp}`],
    [["constructor"], `unexpected argument "constructor"${seeHelp}`],
    [["--quiet", "yes"], `unexpected argument "yes"${seeHelp}`],
    [["--port"], "the option --port needs a value: --port N"],
    [["--port="], "the option --port needs a value: --port N"],
    [["--port", "--quiet"], "the option --port needs a value: --port N"],
    [["--data-dir"], "the option --data-dir needs a value: --data-dir DIR"],
    [["--data-dir", ""], "the option --data-dir needs a value: --data-dir DIR"],
    [["--port", "http"], badPort("http")],
    [["--port=65536"], badPort("65536")],
    [["--port=-1"], badPort("-1")],
    [["--port", "-1"], badPort("-1")],
    [["--port=80.5"], badPort("80.5")],
    [["--port=0x50"], badPort("0x50")],
    [["--port= 80"], badPort(" 80")],
    [["--port=8080; rm"], badPort("8080; rm")],
    [["--quiet=yes"], 'the option --quiet takes no value, and was given "yes"'],
    [["--no-demo="], 'the option --no-demo takes no value, and was given ""'],
  ];
  for (const [argv, message] of refused) {
    it(`[${argv.join(" ")}] is refused: ${message}`, () => {
      let error: unknown;
      try {
        parseOptions(argv);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(StartError);
      expect(error).to.include({ message, exitCode: 1 });
    });
  }

  for (const argv of [["--help"], ["-h"], ["--port", "x", "--help"], ["--unknown", "--help"]]) {
    it(`[${argv.join(" ")}] gives the help, which names every option and its default`, () => {
      const { help } = parseOptions(argv) as { help: string };
      for (const option of ["--port N", "--data-dir DIR", "--no-demo", "--quiet", "--help"]) {
        expect(help).to.include(`\n  ${option} `);
      }
      expect(help).to.include("8080").and.to.include(".ridemesh");
      expect(help.split("\n").every((line) => line.length <= 100)).to.equal(true);
    });
  }
});
