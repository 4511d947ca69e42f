import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "chai";
import { ErrorInfoSchema } from "../../gen/es/google/rpc/error_details_pb.js";
import { problemText } from "./problem-text.js";

const refusal = (code: Code, reason: string, metadata: Record<string, string> = {}) =>
  new ConnectError("refused", code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, metadata, domain: "identity.ridemesh" } },
  ]);

describe("a problem in words", () => {
  const cases: [error: unknown, text: RegExp][] = [
    [refusal(Code.Unauthenticated, "BAD_CREDENTIALS"), /^E-mail or password is wrong/],
    [refusal(Code.Unauthenticated, "REFRESH_TOKEN_REUSED"), /session has ended/],
    [
      refusal(Code.FailedPrecondition, "ACCOUNT_LOCKED", { retry_after_seconds: "30" }),
      /in 30 seconds/,
    ],
    [refusal(Code.FailedPrecondition, "ACCOUNT_LOCKED"), /later/],
    [new ConnectError("x", Code.PermissionDenied), /may not see the map/],
    [new ConnectError("x", Code.Unavailable), /does not answer/],
    [new TypeError("Failed to fetch"), /does not answer/],
    [new ConnectError("city_id is odd", Code.InvalidArgument), /refused: city_id is odd/],
  ];
  for (const [error, text] of cases) {
    it(`says ${text.source}`, () => {
      expect(problemText(error)).to.match(text);
    });
  }
});
