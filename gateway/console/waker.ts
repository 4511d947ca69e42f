/** Sleep that ends early when there is reason to try again: the network is back, the page is seen. */

export interface Waker {
  /** Resolves after so many milliseconds, or earlier; at once when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Listens to the browser. */
export function createWaker(): Waker {
  const sleepers = new Set<() => void>();
  const wake = () => {
    for (const sleeper of sleepers) sleeper();
  };
  window.addEventListener("online", wake);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) wake();
  });
  return {
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          sleepers.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        sleepers.add(done);
        signal.addEventListener("abort", done);
        if (signal.aborted) done();
      }),
  };
}
