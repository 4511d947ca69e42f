/** Where tests put data that is gone after them. */
import { realpath, statfs } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";

const roomBytes = 2 * 1024 ** 3;
const memoryFolder = "/dev/shm";

/**
 * The folder to make temporary folders in: in memory, where there is one with room (a database is made
 * ten times faster there), else the system's own.
 */
export async function temporaryParent(): Promise<string> {
  const memory = await statfs(memoryFolder).catch(() => undefined);
  // 0x01021994 is tmpfs: containers may have something else there, or only 64 MB.
  const hasRoom = memory?.type === 0x01021994 && memory.bavail * memory.bsize > roomBytes;
  return hasRoom && freemem() > roomBytes ? memoryFolder : await realpath(tmpdir());
}

/** All that temporaryParent may give, at one time or another. */
export async function temporaryParents(): Promise<string[]> {
  const memory = await realpath(memoryFolder).catch(() => undefined);
  return [...new Set([await realpath(tmpdir()), ...(memory ? [memory] : [])])];
}
