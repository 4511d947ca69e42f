/** The command line of `npm start`. */
import { closest, distance } from "fastest-levenshtein";
import { StartError } from "./start-error.js";

export interface Options {
  /** The gateway's port; 0 takes a free one. */
  port: number;
  /** As given: relative to the folder that the program was started in. */
  dataDir: string;
  /** Whether the demo city runs. */
  demo: boolean;
  /** Whether only problems are printed. */
  quiet: boolean;
}

const defaults: Options = { port: 8080, dataDir: ".ridemesh", demo: true, quiet: false };

interface OptionRule {
  /** What stands for the value in the help; without it the option takes none. */
  value?: string;
  help: string;
  apply(options: Options, value: string): Options;
}

const rules: Record<string, OptionRule> = {
  "--port": {
    value: "N",
    help: `port of the gateway on this machine (default ${defaults.port}; 0 takes a free one)`,
    apply: (options, value) => ({ ...options, port: parsePort(value) }),
  },
  "--data-dir": {
    value: "DIR",
    help: `folder that holds everything (default ${defaults.dataDir}; made where it is missing)`,
    apply: (options, value) => ({ ...options, dataDir: value }),
  },
  "--no-demo": {
    help: "start empty, without the demo city and its accounts",
    apply: (options) => ({ ...options, demo: false }),
  },
  "--quiet": {
    help: "print problems only",
    apply: (options) => ({ ...options, quiet: true }),
  },
  "--help": {
    help: "print this text",
    apply: (options) => options,
  },
};

/**
 * Reads the arguments after the program's name. Of an option given twice the last counts; `--help`
 * anywhere wins over everything else.
 *
 * @throws StartError for what it does not understand.
 */
export function parseOptions(argv: readonly string[]): Options | { help: string } {
  if (argv.includes("--help") || argv.includes("-h")) return { help: helpText() };
  let options = defaults;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index]!;
    const [name, attached] = splitAtEquals(argument);
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule) throw new StartError(`${complaint(argument, name)}; --help lists the options`);
    if (!rule.value && attached !== undefined) {
      throw new StartError(`the option ${name} takes no value, and was given "${attached}"`);
    }
    let value = attached ?? "";
    if (rule.value && attached === undefined) {
      const next = argv[index + 1];
      // A folder whose name begins with two dashes can still be given after "=".
      if (next !== undefined && !next.startsWith("--")) {
        value = next;
        index += 1;
      }
    }
    if (rule.value && value === "") {
      throw new StartError(`the option ${name} needs a value: ${name} ${rule.value}`);
    }
    options = rule.apply(options, value);
  }
  return options;
}

function splitAtEquals(argument: string): [name: string, value: string | undefined] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function parsePort(value: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (port <= 65_535) return port;
  throw new StartError(`--port must be a number from 0 to 65535, not "${value}"`);
}

function complaint(argument: string, name: string): string {
  if (!name.startsWith("-")) return `unexpected argument "${argument}"`;
  const nearest = closest(name, Object.keys(rules));
  // Beyond half of its letters it is another word rather than a slip.
  const isSlip = distance(name, nearest) <= nearest.length / 2;
  return `unknown option ${name}${isSlip ? `: did you mean ${nearest}?` : ""}`;
}

function helpText(): string {
  const names = Object.entries(rules).map(([name, { value }]) =>
    value ? `${name} ${value}` : name,
  );
  const width = Math.max(...names.map((name) => name.length));
  const lines = Object.values(rules).map(
    ({ help }, index) => `  ${names[index]!.padEnd(width)}  ${help}`,
  );
  return [
    "Runs the whole platform on this machine: database, every service, gateway and a demo city.",
    "",
    "Usage: npm start -- [options]",
    "",
    ...lines,
    "",
  ].join("\n");
}
