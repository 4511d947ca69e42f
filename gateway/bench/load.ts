/** Load on one HTTP address, as fast as it answers. */
import { Client } from "undici";

/** One kind of request. */
export interface Target {
  url: string;
  method: "GET" | "POST";
  path: string;
  body?: string;
  /** Headers of the nth connection. */
  headers: (connection: number) => Record<string, string>;
}

/** What came back. */
export interface LoadResult {
  requests: number;
  seconds: number;
  /** Time to each answer, in milliseconds. */
  latenciesMs: number[];
}

/**
 * Asks over so many kept connections, one request at a time on each, for so long. Rejects on any
 * answer other than 200.
 */
export async function load(
  target: Target,
  options: { connections: number; seconds: number },
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const clients = Array.from({ length: options.connections }, () => new Client(target.url));
  const begin = performance.now();
  const endMs = begin + options.seconds * 1000;
  await Promise.all(
    clients.map(async (client, i) => {
      const headers = target.headers(i);
      const { method, path, body } = target;
      for (let now = performance.now(); now < endMs;) {
        const response = await client.request({ method, path, headers, body: body ?? null });
        const text = await response.body.text();
        if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${text}`);
        const then = now;
        now = performance.now();
        latenciesMs.push(now - then);
      }
    }),
  );
  const seconds = (performance.now() - begin) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return { requests: latenciesMs.length, seconds, latenciesMs };
}
