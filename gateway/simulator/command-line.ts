/** Splits the arguments of a command into options, and says in one line what is wrong with them. */
import { closest, distance } from "fastest-levenshtein";

/** The options that a command knows, with their dashes. */
export interface KnownOptions {
  /** Options that take a value, as `--seed 7` or `--seed=7`. */
  values: readonly string[];
  /** Of these, the ones that may be given several times. */
  repeatable?: readonly string[];
  /** Options without a value. */
  flags: readonly string[];
  /** What to say of an argument that is no option. */
  strayHint: string;
}

/** What was given. */
export interface GivenOptions {
  values: ReadonlyMap<string, readonly string[]>;
  flags: ReadonlySet<string>;
}

/** The options given, or one line that says what is wrong. `-h` means `--help`. */
export function splitArguments(
  argv: readonly string[],
  known: KnownOptions,
): GivenOptions | { error: string } {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] === "-h" ? "--help" : argv[at]!;
    if (!argument.startsWith("-")) {
      return { error: `unexpected argument "${argument}"; ${known.strayHint}` };
    }
    const equals = argument.indexOf("=");
    const name = equals < 0 ? argument : argument.slice(0, equals);
    if (known.flags.includes(name)) {
      if (equals >= 0) return { error: `${name} takes no value` };
      flags.add(name);
    } else if (known.values.includes(name)) {
      const earlier = values.get(name) ?? [];
      if (earlier.length > 0 && known.repeatable?.includes(name) !== true) {
        return { error: `${name} is given twice` };
      }
      const value = equals < 0 ? argv[(at += 1)] : argument.slice(equals + 1);
      if (value === undefined || value === "" || (equals < 0 && value.startsWith("--"))) {
        return { error: `${name} needs a value` };
      }
      values.set(name, [...earlier, value]);
    } else {
      return { error: unknownOption(name, [...known.values, ...known.flags]) };
    }
  }
  return { values, flags };
}

function unknownOption(name: string, known: readonly string[]): string {
  const nearest = closest(name, known);
  const near = distance(name, nearest) <= Math.max(3, nearest.length / 2);
  return `unknown option ${name}; ${near ? `did you mean ${nearest}?` : "--help lists them"}`;
}

/** Reads a whole number between two others, or nothing. */
export function wholeNumber(low: number, high: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    return value >= low && value <= high ? value : undefined;
  };
}
