/**
 * A process of its own with an embedded PostgreSQL, for tests that kill it or run it as another user.
 * Says in one line of JSON what it started, or why not. Stops when its standard input ends; on SIGINT
 * it first says what the database answers.
 */
import { once } from "node:events";
import pg from "pg";
import { silentLogger } from "../runtime/log.js";
import { startEmbeddedPostgres } from "../standalone/postgres.js";
import { StartError } from "../standalone/start-error.js";

/** The argument, as JSON. */
export interface ChildOptions {
  dataDir: string;
  binariesFolder?: string;
  /** Becomes this user first. */
  user?: { uid: number; gid: number };
}

/** The line that tells. */
export type ChildReport =
  { port: number; pid: number; superuserUrl: string } | { error: string; exitCode: number };

const { user, ...options } = JSON.parse(process.argv[2]!) as ChildOptions;
if (user) {
  process.setgroups!([]);
  process.setgid!(user.gid);
  process.setuid!(user.uid);
}

try {
  const server = await startEmbeddedPostgres({ ...options, log: silentLogger });
  const interrupted = once(process, "SIGINT").then(async () => {
    const client = new pg.Client(server.superuserUrl);
    await client.connect();
    const { rows } = await client.query<{ answer: string }>("SELECT 'still here' AS answer");
    await client.end();
    say(rows[0]!);
  });
  const { port, pid, superuserUrl } = server;
  say({ port, pid, superuserUrl });
  await Promise.race([once(process.stdin.resume(), "end"), interrupted]);
  await server.stop();
  process.exit(0);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  say({ error: error.message, exitCode: error.exitCode });
  process.exit(error.exitCode);
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}
