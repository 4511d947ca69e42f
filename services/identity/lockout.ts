/** When failed logins lock an account, and for how long. By the wall clock. */

/** The first failure that locks. */
export const failuresToLock = 5;
const firstLockSeconds = 30;
const longestLockSeconds = 3600;
/** After so long without a failure, earlier ones no longer count. */
export const failureMemorySeconds = 24 * 3600;

/**
 * How long the n-th failure in a row locks, in seconds: nothing up to the fourth, 30 s for the fifth,
 * twice as long for each one more, an hour at most.
 */
export function lockSeconds(failures: number): number {
  if (failures < failuresToLock) return 0;
  return Math.min(longestLockSeconds, firstLockSeconds * 2 ** (failures - failuresToLock));
}
