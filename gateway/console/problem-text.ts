/** What went wrong, in words for the person in front of the screen. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.js";

const ended = "Your session has ended; please log in again.";
const noAnswer = "The platform does not answer; please try again in a moment.";

/** By the reason of google.rpc.ErrorInfo. */
const byReason = new Map([
  ["BAD_CREDENTIALS", "E-mail or password is wrong."],
  ["ACCOUNT_DEACTIVATED", "This account was deactivated."],
  ["UNKNOWN_OPERATOR", "There is no such operator."],
  ["REFRESH_TOKEN_INVALID", ended],
  ["REFRESH_TOKEN_REUSED", ended],
]);

const byCode = new Map([
  [Code.PermissionDenied, "This account may not see the map: it takes the role admin or support."],
  [Code.Unauthenticated, ended],
  [Code.ResourceExhausted, "Too many calls; please wait a minute."],
  [Code.NotFound, "There is no such operator or city."],
  [Code.Unavailable, noAnswer],
  [Code.DeadlineExceeded, noAnswer],
  [Code.Unknown, noAnswer],
  [Code.Canceled, noAnswer],
]);

/** A sentence on an error of a call. */
export function problemText(error: unknown): string {
  const problem = ConnectError.from(error);
  const [info] = problem.findDetails(ErrorInfoSchema);
  if (info?.reason === "ACCOUNT_LOCKED") {
    const seconds = Number(info.metadata["retry_after_seconds"] ?? 0);
    const when = seconds > 0 ? `in ${seconds} seconds` : "later";
    return `Too many failed attempts; please try again ${when}.`;
  }
  return (
    byReason.get(info?.reason ?? "") ??
    byCode.get(problem.code) ??
    `The platform refused: ${problem.rawMessage}.`
  );
}
