/** Where a processor's time went, from V8's sampling profiler. */
import type { Profiler } from "node:inspector";

export type CpuProfile = Profiler.Profile;

/** A function's or a package's part of the time that was not idle. */
export interface Share {
  name: string;
  percent: number;
}

/** The functions that took the most time themselves. */
export function topFunctions(profile: CpuProfile, count: number): Share[] {
  return shares(profile, ({ functionName, url, lineNumber }) => {
    const place = placeOf(url);
    const name = functionName || "(anonymous)";
    return place ? `${name} ${place}:${lineNumber + 1}` : name;
  }).slice(0, count);
}

/** The time by package of node_modules, folder of ours, and Node's own modules. */
export function byPackage(profile: CpuProfile): Share[] {
  return shares(profile, ({ functionName, url }) => {
    const place = placeOf(url);
    if (!place)
      return /^\((garbage collector|program)\)$/.test(functionName) ? functionName : "(native)";
    const dependency = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place)?.[1];
    if (dependency) return dependency;
    if (place.startsWith("node:"))
      return place.replace(/^node:(internal\/)?/, "node:").split("/")[0]!;
    return place.split("/").slice(0, 2).join("/");
  });
}

function shares(
  profile: CpuProfile,
  nameOf: (frame: CpuProfile["nodes"][number]["callFrame"]) => string,
): Share[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const micros = new Map<string, number>();
  let busy = 0;
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const { callFrame } = nodes.get(id)!;
    if (callFrame.functionName === "(idle)") continue;
    const delta = profile.timeDeltas![i]!;
    const name = nameOf(callFrame);
    micros.set(name, (micros.get(name) ?? 0) + delta);
    busy += delta;
  }
  return [...micros]
    .map(([name, value]) => ({ name, percent: (100 * value) / busy }))
    .sort((a, b) => b.percent - a.percent);
}

/** A file's path from the repository's root, without the loader's query. */
function placeOf(url: string): string {
  if (url.startsWith("node:")) return url;
  const path = url.replace(/^file:\/\//, "").replace(/\?.*$/, "");
  const dependency = path.lastIndexOf("/node_modules/");
  if (dependency >= 0) return path.slice(dependency + 1);
  return /\/((?:services|gateway|gen)\/.*)$/.exec(path)?.[1] ?? path;
}
