/** The demo's refresh tokens, kept for the next start in a file that only its owner can read. */
import { readFile, rename, writeFile } from "node:fs/promises";

interface KeptSession {
  userId: string;
  refreshToken: string;
}

export interface SessionFile {
  find(key: string): KeptSession | undefined;
  /** Writes soon; a later value of the same key wins. */
  keep(key: string, userId: string, refreshToken: string): void;
}

/** Opens the file; one that cannot be read counts as empty. */
export async function createSessionFile(path: string): Promise<SessionFile> {
  let sessions: Record<string, KeptSession> = {};
  try {
    sessions = JSON.parse(await readFile(path, "utf8")) as Record<string, KeptSession>;
  } catch {
    // The first start, or a damaged file: people log in with their passwords.
  }
  let writing: Promise<void> | undefined;
  let again = false;
  const write = async (): Promise<void> => {
    do {
      again = false;
      await writeFile(`${path}.new`, JSON.stringify(sessions), { mode: 0o600 });
      await rename(`${path}.new`, path);
    } while (again);
    writing = undefined;
  };
  return {
    find: (key) => sessions[key],
    keep: (key, userId, refreshToken) => {
      sessions[key] = { userId, refreshToken };
      again = true;
      writing ??= write().catch(() => {
        writing = undefined;
      });
    },
  };
}
