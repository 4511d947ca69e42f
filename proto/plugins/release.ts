/**
 * `npm run contract:release`: makes the contract as it is now the baseline that `npm run check` holds
 * later changes against. A change that breaks callers of the present baseline needs --breaking.
 */
import { copyFileSync, existsSync } from "node:fs";
import { buf } from "./buf.js";
import { writeThirdPartyProtos } from "./third-party.js";

const baseline = "gen/contract.binpb";
const candidate = ".cache/contract.binpb";
const args = process.argv.slice(2);
if (args.some((arg) => arg !== "--breaking")) {
  console.error("usage: npm run contract:release [-- --breaking]");
  process.exit(1);
}

await writeThirdPartyProtos(".cache/third-party-protos");
if (!buf("build", "proto", "--exclude-source-info", "-o", candidate)) process.exit(1);
if (existsSync(baseline) && !args.includes("--breaking")) {
  if (!buf("breaking", candidate, "--against", baseline, "--exclude-imports")) {
    console.error("These changes break callers. To release them nevertheless, add -- --breaking");
    process.exit(1);
  }
}
copyFileSync(candidate, baseline);
console.log(`${baseline} now holds the contract as it is.`);
