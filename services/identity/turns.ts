/** One at a time. */

/** Runs work in the order of asking, one piece at a time for each key, within this process. */
export type Turns = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Makes a queue for each key that is in use. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
}
