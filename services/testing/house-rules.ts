/**
 * The house rules that no linter knows, as pure functions over the repository's files. Each returns
 * "path:line: problem" for what breaks it.
 */
import { posix } from "node:path";
import { blankSqlComments, importsOf, lineAt, splitSource } from "./source-text.js";

/** A file of the repository: its path from the root, and what it says. */
export interface RepoFile {
  path: string;
  text: string;
}

const isTest = (path: string) => /\.(test|bench)\.ts$/.test(path);
const within = (path: string, ...folders: string[]) =>
  folders.some((folder) => path.startsWith(`${folder}/`));
const notServices = ["runtime", "testing", "standalone"];

/** "trip" for a file of the trip service; undefined for everything else. */
function serviceOf(path: string): string | undefined {
  const name = /^services\/([^/]+)\//.exec(path)?.[1];
  return name !== undefined && !notServices.includes(name) ? name : undefined;
}

/** Who imports whom: a service knows itself, the runtime and gen; the gateway knows no service. */
export function importProblems(files: RepoFile[]): string[] {
  return typescript(files).flatMap((file) =>
    importsOf(file.text)
      .filter(({ specifier }) => specifier.startsWith("."))
      .flatMap(({ specifier, line }) => {
        const target = posix.join(posix.dirname(file.path), specifier);
        return mayImport(file.path, target)
          ? []
          : [`${file.path}:${line}: may not import ${target}`];
      }),
  );
}

function mayImport(path: string, target: string): boolean {
  if (within(target, "proto/plugins")) return within(path, "proto/plugins", "services/testing");
  if (within(path, "gateway/e2e")) return true;
  if (within(target, "gateway/e2e")) return false;
  if (isTest(path) && within(target, "services/testing")) return true;

  const service = serviceOf(path);
  if (service) {
    if (within(target, "gen/es")) return isTest(path);
    return within(target, `services/${service}`, "services/runtime", "gen");
  }
  if (within(path, "services/runtime")) return within(target, "services/runtime", "gen");
  if (within(path, "services/testing")) {
    // Tests get their PostgreSQL from what starts it for the platform.
    const postgres = /^services\/standalone\/(postgres[\w-]*|processes|start-error)\.js$/.test(
      target,
    );
    return postgres || within(target, "services/testing", "services/runtime", "gen");
  }
  if (within(path, "services/standalone")) return within(target, "services", "gateway", "gen");
  if (within(path, "gateway/bench")) {
    const servers = ["services/runtime", "services/testing", "services/standalone"];
    return within(target, "gateway", "gen", ...servers);
  }
  if (within(path, "gateway/simulator")) {
    return within(target, "gateway/simulator", "services/runtime", "gen/es");
  }
  if (within(path, "gateway")) return within(target, "gateway", "services/runtime", "gen/es");
  return within(path, "proto/plugins") && within(target, "services/runtime", "gen");
}

/** Time comes from the clocks in deps, so that tests and simulations can set it. */
export function clockProblems(files: RepoFile[]): string[] {
  const exempt = ["services/runtime", "services/testing", "gateway/bench", "gateway/console"];
  const forbidden =
    /(?<![.\w])(?:globalThis\.)?(?:Date\.now\b|new Date\(\s*\)|setTimeout\b|setInterval\b|performance\.now\b)/g;
  return typescript(files)
    .filter(({ path }) => !within(path, ...exempt, "proto/plugins") && !isTest(path))
    .flatMap((file) => {
      const { code } = splitSource(file.text);
      // Imported by name they are found as such; setImmediate only yields.
      const wholeModule = /\bimport\s+(?:\*\s+as\s+)?\w+\s+from\s*$/;
      const lines = file.text.split("\n");
      const wholes = importsOf(file.text).filter(
        ({ specifier, line }) =>
          /^(node:)?timers/.test(specifier) && wholeModule.test(lines[line - 1]!.split('"')[0]!),
      );
      return [
        ...matches(file, code, forbidden, (found) => `${found}: take a clock from deps`),
        ...wholes.map(
          ({ line, specifier }) => `${file.path}:${line}: ${specifier}: take a clock from deps`,
        ),
      ];
    });
}

/** SQL gets the time as a parameter, for the same reason. */
export function sqlClockProblems(files: RepoFile[]): string[] {
  const forbidden =
    /\bnow\s*\(\s*\)|\b(?:current_timestamp|current_date|localtimestamp)\b|\b(?:clock|statement|transaction)_timestamp\s*\(\s*\)/gi;
  return files
    .filter(({ path }) => within(path, "services") && !within(path, "services/runtime"))
    .filter(({ path }) => !isTest(path) && !within(path, "services/testing"))
    .flatMap((file) => {
      const text = sqlOf(file);
      return matches(
        file,
        text,
        forbidden,
        (found) => `${found} in SQL: pass the time as a parameter`,
      );
    });
}

function sqlOf({ path, text }: RepoFile): string {
  if (path.endsWith(".sql")) return blankSqlComments(text);
  return path.endsWith(".ts") ? splitSource(text).strings : "";
}

/**
 * Only config.ts reads the environment; only entry points end the process or listen to it, and
 * services/standalone, which is the whole process.
 */
export function processProblems(files: RepoFile[], entryPoints: string[]): string[] {
  const isEntryPoint = (path: string) =>
    /(^|\/)main\.ts$|^services\/standalone\//.test(path) || entryPoints.includes(path);
  return typescript(files)
    .filter(({ path }) => !within(path, "services/testing", "proto/plugins") && !isTest(path))
    .flatMap((file) => {
      const { code } = splitSource(file.text);
      const env = /(^|\/)config\.ts$/.test(file.path) ? /$^/g : /\bprocess\.env\b/g;
      const life = isEntryPoint(file.path)
        ? /$^/g
        : /\bprocess\.(?:exit|exitCode|abort|on|once|off|addListener)\b/g;
      return [
        ...matches(file, code, env, (found) => `${found} outside config.ts`),
        ...matches(file, code, life, (found) => `${found} outside an entry point`),
      ];
    });
}

/** The files that the scripts of package.json run. */
export function scriptEntryPoints(packageJson: { scripts?: Record<string, string> }): string[] {
  return Object.values(packageJson.scripts ?? {}).flatMap(
    (script) => script.match(/[\w./-]+\.ts\b/g) ?? [],
  );
}

/** A bounded top level: what belongs to a tool goes into .config, what deploys into helm. */
export function topLevelProblems(files: RepoFile[]): string[] {
  const folders = ["proto", "gen", "services", "gateway", "istio", "helm", "docs"];
  const named = ["buf.yaml", "buf.gen.yaml", "package.json", "package-lock.json", "tsconfig.json"];
  const documents = ["README.md", "CONTRIBUTING.md", "LICENSE"];
  const allowed = new Set([...folders, ...named, ...documents]);
  const present = new Set(files.map(({ path }) => path.split("/")[0]!));
  return [...present]
    .filter((name) => !name.startsWith(".") && !allowed.has(name))
    .map((name) => `${name}: does not belong on the top level`);
}

/** No file is longer than a person reads in one go; tests and the contract may be longer. */
export function lengthProblems(files: RepoFile[]): string[] {
  return files
    .filter(({ path }) => /\.(ts|js|css|html|proto|yaml|sh)$/.test(path) && !isGenerated(path))
    .flatMap(({ path, text }) => {
      const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
      const limit = path.endsWith(".test.ts") || path.endsWith(".proto") ? 800 : 500;
      return lines > limit ? [`${path}: ${lines} lines; split it by noun (limit ${limit})`] : [];
    });
}

/** Every service has the files by which all of them are read and run. */
export function anatomyProblems(files: RepoFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const services = new Set(files.flatMap(({ path }) => serviceOf(path) ?? []));
  return [...services].flatMap((service) =>
    ["main.ts", "app.ts", "README.md"]
      .map((name) => `services/${service}/${name}`)
      .filter((path) => !paths.has(path))
      .map((path) => `${path}: is missing`),
  );
}

/** Work that is left over, tests that hide others, and traces of one machine. */
export function leftoverProblems(files: RepoFile[]): string[] {
  const written = files.filter(({ path }) => !isGenerated(path) && path !== "package-lock.json");
  const only = /\b(?:describe|context|it|specify|suite|test)\.only\b/g;
  return [
    ...written.flatMap((file) => [
      ...matches(
        file,
        file.text,
        /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/g,
        (found) => `${found} is left over`,
      ),
      ...matches(
        file,
        file.text,
        /(?<![\w.\-/}])\/(?:work|root|home)\/[\w.-]+/g,
        (found) => `${found} is a path of one machine`,
      ),
    ]),
    ...typescript(files).flatMap((file) =>
      matches(file, splitSource(file.text).code, only, (found) => `${found} hides other tests`),
    ),
  ];
}

/** The lock file names no host, so that it serves behind any registry. */
export function hostProblems(files: RepoFile[]): string[] {
  return files
    .filter(({ path }) => path === "package-lock.json" || path === ".npmrc")
    .flatMap((file) =>
      matches(
        file,
        file.text,
        /"resolved":\s*"(?:https?|git|ssh)[^"]*"|^\s*(?:@[\w-]+:)?registry\s*=.*$/gm,
        (found) => `${found}: names a host`,
      ),
    );
}

/** The lock file holds the native packages of all platforms; `npm ci` refuses it otherwise. */
export function lockedPlatformProblems(files: RepoFile[]): string[] {
  const text = files.find(({ path }) => path === "package-lock.json")?.text ?? "{}";
  const { packages = {} } = JSON.parse(text) as {
    packages?: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      )
      .map((name) => `package-lock.json: lacks ${name}; run node .config/lock-platforms.js`),
  );
}

function typescript(files: RepoFile[]): RepoFile[] {
  return files.filter(({ path }) => path.endsWith(".ts") && !isGenerated(path));
}

function isGenerated(path: string): boolean {
  return within(path, "gen", "istio/generated");
}

/** Where `pattern` occurs in `text`, which is the file's text or a copy of it with blanks. */
function matches(
  file: RepoFile,
  text: string,
  pattern: RegExp,
  problem: (found: string) => string,
): string[] {
  return [...text.matchAll(pattern)].map(
    (match) => `${file.path}:${lineAt(file.text, match.index)}: ${problem(match[0].trim())}`,
  );
}
