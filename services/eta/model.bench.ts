/**
 * How long a batch of 1000 legs takes, and how that compares with distances alone:
 * `tsx services/eta/model.bench.ts`. Both in one run, so that the ratio holds on any machine.
 */
import { distanceMeters } from "../runtime/geo.js";
import { silentLogger } from "../runtime/log.js";
import { defaultEtaConfig } from "./config.js";
import { hourOfWeekIn, loadEstimator } from "./estimator.js";

const legCount = 1000;
let seed = 1;
/** Pseudorandom, the same in every run (Park–Miller). */
const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
const somewhere = () => ({ lat: 40.6 + random() * 0.25, lng: -74.05 + random() * 0.25 });
const legs = Array.from({ length: legCount }, () => ({ from: somewhere(), to: somewhere() }));
const estimator = await loadEstimator(defaultEtaConfig.modelFile, silentLogger);
const depart = new Date("2024-03-06T13:30:00Z");

/** Milliseconds that a run takes, the median of many. */
function median(run: () => number): number {
  const times: number[] = [];
  for (let i = 0; i < 200; i += 1) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[100]!;
}

let sum = 0;
const learned = median(() => {
  const hour = hourOfWeekIn(depart, "America/New_York");
  for (const { from, to } of legs) sum += estimator.estimate(from, to, hour).durationSeconds;
  return sum;
});
const plain = median(() => {
  for (const { from, to } of legs) sum += distanceMeters(from, to);
  return sum;
});
console.log(`${legCount} legs by the model:     ${learned.toFixed(3)} ms`);
console.log(`${legCount} great-circle distances: ${plain.toFixed(3)} ms`);
console.log(`the model costs ${(learned / plain).toFixed(1)} × a distance`);
