// Completes package-lock.json: `node .config/lock-platforms.js` after an `npm install` behind a
// registry that holds the native packages of some platforms only. npm leaves the others out of the
// lock file without a word, and then `npm ci` refuses it everywhere.
import { readFileSync, writeFileSync } from "node:fs";

const file = "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const before = JSON.stringify(lock);

for (const [path, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${path}/node_modules/${name}`]) {
      continue;
    }
    if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${name}: ${version} is not exact`);
    const { os, cpu, libc } = platform(name);
    // In npm's own order of keys, so that npm does not rewrite the entry.
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(dev ? { dev } : {}),
      ...(libc ? { libc: [libc] } : {}),
      optional: true,
      os: [os],
    };
  }
}

if (JSON.stringify(lock) !== before) {
  const [root, ...paths] = Object.keys(lock.packages);
  const sorted = [root, ...paths.sort((a, b) => a.localeCompare(b, "en"))];
  lock.packages = Object.fromEntries(sorted.map((path) => [path, lock.packages[path]]));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}

/** What npm compares with the machine before it fetches such a package, read from its name. */
function platform(name) {
  const words = name.split("/").at(-1).split("-");
  const pick = (table) => words.map((word) => table[word]).find(Boolean);
  const os = pick({
    android: "android",
    darwin: "darwin",
    freebsd: "freebsd",
    linux: "linux",
    openharmony: "openharmony",
    win32: "win32",
    windows: "win32",
  });
  const cpu = pick({
    aarch64: "arm64",
    arm: "arm",
    arm64: "arm64",
    armv7: "arm",
    ia32: "ia32",
    ppc64: "ppc64",
    riscv64: "riscv64",
    s390x: "s390x",
    x64: "x64",
  });
  const libc = pick({ gnu: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" });
  if (!os || !cpu) throw new Error(`${name}: its name does not say for which platform it is`);
  return { os, cpu, libc };
}
