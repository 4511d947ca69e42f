/**
 * Closes attempts that were left pending and that nobody carries on with. The gateway is asked what
 * became of each; what was never charged is cancelled there, so that it never will be.
 */
import { startLoop, type Loop } from "../runtime/lifecycle.js";
import { closeCharge, conclude, type AttemptDeps } from "./attempts.js";
import { leaseEnd } from "./charge.js";
import type { Attempt } from "./payment.js";
import { claimLeftOver, loadPayment, release } from "./store.js";
import { failTopUp, postTopUp } from "./top-up.js";

const batch = 20;
const idleMs = 5000;

/** Runs until stopped. */
export function startClosing(deps: AttemptDeps): Loop {
  const { pool, wall, config, log } = deps;
  return startLoop({
    name: "payment-left-over",
    wall,
    log,
    work: async () => {
      const before = new Date(wall.now().getTime() - config.closeAfterMs);
      const found = await claimLeftOver(pool, before, leaseEnd(deps), batch);
      for (const attempt of found) {
        log.info({ attempt_id: attempt.attemptId }, "closing an attempt that was left pending");
        await close(deps, attempt);
      }
      return found.length === batch ? 0 : Math.min(idleMs, config.closeAfterMs);
    },
  });
}

async function close(deps: AttemptDeps, attempt: Attempt): Promise<void> {
  const outcome = await closeCharge(deps, attempt);
  if (attempt.paymentId !== undefined) {
    const payment = await loadPayment(deps.pool, attempt.tenantId, attempt.paymentId);
    await conclude(deps, { payment: payment!, attempt }, outcome, {});
    return;
  }
  switch (outcome.status) {
    case "succeeded":
      await postTopUp(deps, attempt, undefined);
      return;
    case "declined":
      return failTopUp(deps, attempt, outcome.failure);
    case "unknown":
      return release(deps.pool, attempt, deps.wall.now());
    default:
      return outcome satisfies never;
  }
}
