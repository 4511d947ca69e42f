/** Calls that are meant to fail. */
import { StatusError } from "../runtime/status.js";

/** The error that a call fails with. Throws when it succeeds, or fails with anything but a status. */
export async function failure(call: Promise<unknown>): Promise<StatusError> {
  const outcome: unknown = await call.then(
    (value) => new Error(`did not fail but gave ${describe(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof StatusError) return outcome;
  throw outcome;
}

function describe(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? String(part) : part,
  );
}
