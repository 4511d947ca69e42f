/** Riders and drivers as the ride benchmark has them: REST over a kept connection each. */
import { Client } from "undici";
import type { Login } from "../simulator/api.js";

/** A person with a phone. */
export interface Phone {
  userId: string;
  /** Calls, and returns the answer's JSON. Rejects on any answer that is not a success. */
  call<T>(method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<T>;
  /** Follows a stream of server-sent events until the signal aborts. */
  follow(path: string, onData: (json: unknown) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A phone for a person who is logged in. */
export function phoneOf(url: string, login: Login): Phone {
  const client = new Client(url);
  const streams = new Client(url, { bodyTimeout: 0 });
  const headersOf = async () => {
    const { headers } = await login.options();
    return headers as Record<string, string>;
  };
  return {
    userId: login.userId,
    call: async (method, path, body) => {
      const headers = await headersOf();
      const response = await client.request({
        method,
        path,
        headers: body ? { ...headers, "content-type": "application/json" } : headers,
        body: body ? JSON.stringify(body) : null,
      });
      const text = await response.body.text();
      if (response.statusCode >= 300) {
        throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
      }
      return (text === "" ? undefined : JSON.parse(text)) as never;
    },
    follow: async (path, onData, signal) => {
      const headers = await headersOf();
      const { body, statusCode } = await streams.request({ method: "GET", path, headers, signal });
      if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${await body.text()}`);
      let rest = "";
      try {
        for await (const chunk of body) {
          const lines = (rest + String(chunk)).split("\n");
          rest = lines.pop()!;
          for (const line of lines) {
            if (line.startsWith("data: ")) onData(JSON.parse(line.slice("data: ".length)));
          }
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    close: async () => {
      await client.close();
      await streams.destroy();
    },
  };
}
