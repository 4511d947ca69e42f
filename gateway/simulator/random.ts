/**
 * Random numbers that a seed decides. Every purpose takes a stream of its own, named by words, so
 * that what one rider draws does not depend on how many others drew before.
 */

/** A stream of random numbers. */
export interface Random {
  /** Uniform, at least 0 and below 1. */
  next(): number;
  /** Uniform, at least `low` and below `high`. */
  between(low: number, high: number): number;
  /** A whole number, at least 0 and below `count`. */
  below(count: number): number;
  /** One of the items; throws when there is none. */
  pick<Item>(items: readonly Item[]): Item;
}

/** The stream of this seed and these words: the same ones give the same numbers, on any machine. */
export function randomOf(seed: number, ...words: (string | number)[]): Random {
  const next = mulberry32(hash([seed, ...words].join("\u0000")));
  const below = (count: number) => Math.floor(next() * count);
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    below,
    pick: (items) => {
      if (items.length === 0) throw new RangeError("there is nothing to pick from");
      return items[below(items.length)]!;
    },
  };
}

/** Mulberry32, a public-domain generator with 32 bits of state: short, fast, good enough for play. */
function mulberry32(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** FNV-1a over UTF-16 units, finished as in MurmurHash3 so that words that differ little part ways. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
