/** What went wrong, in words for the person in front of the screen. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.js";

/** A sentence on an error of a call. */
export function problemText(error: unknown): string {
  const problem = ConnectError.from(error);
  const [info] = problem.findDetails(ErrorInfoSchema);
  switch (info?.reason) {
    case "BAD_CREDENTIALS":
      return "E-mail or password is wrong.";
    case "ACCOUNT_LOCKED": {
      const seconds = Number(info.metadata["retry_after_seconds"] ?? "");
      const wait = seconds > 0 ? `in ${seconds} seconds` : "later";
      return `Too many failed attempts; try again ${wait}.`;
    }
    case "ACCOUNT_DEACTIVATED":
      return "This account was deactivated.";
    case "REFRESH_TOKEN_INVALID":
    case "REFRESH_TOKEN_REUSED":
      return "Your session has ended; please log in again.";
  }
  switch (problem.code) {
    case Code.PermissionDenied:
      return "This account may not see the map: it takes the role admin or support.";
    case Code.Unauthenticated:
      return "Your session has ended; please log in again.";
    case Code.ResourceExhausted:
      return "Too many calls; try again in a minute.";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.Unknown:
    case Code.Canceled:
      return "The platform does not answer; try again in a moment.";
    case Code.NotFound:
      return "There is no such operator or city.";
    default:
      return `The platform refused: ${problem.rawMessage}.`;
  }
}
