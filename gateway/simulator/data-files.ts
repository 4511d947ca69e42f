/** The data that comes with the simulator (data/README.md says from where). */
import { fileURLToPath } from "node:url";

/** The taxi zones of New York. */
export const ZONES_FILE = fileURLToPath(new URL("data/zones.csv", import.meta.url));

/** Some 300 playable trips, spread over the day. */
export const SAMPLE_TRIPS_FILE = fileURLToPath(new URL("data/sample-trips.csv", import.meta.url));
