/** What mocha does around a whole test run. */
import { stopTestPostgres } from "./postgres.js";

export const mochaHooks = {
  async afterAll(): Promise<void> {
    await stopTestPostgres();
  },
};
