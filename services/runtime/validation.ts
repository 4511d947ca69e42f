/** Checks requests against the rules that the contract writes on their fields. */
import { create, fromBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { unsoundValues } from "./sound-values.js";
import { Code, StatusError } from "./status.js";

const validator = createValidator();

/** Compiles the rules of these messages, so that no call pays for it. */
export function compileRules(messages: DescMessage[]): void {
  for (const message of messages) validator.validate(message, create(message));
}

/** Throws INVALID_ARGUMENT that names every field which breaks a rule. */
export function validateMessage(schema: DescMessage, message: Message): void {
  const unsound = unsoundValues(schema, message);
  const result = validator.validate(schema, message);
  if (result.kind === "valid" && unsound.length === 0) return;
  if (result.kind === "error") throw result.error;
  const broken = (result.kind === "invalid" ? result.violations : []).map((violation) => ({
    field: fieldPath(violation),
    message: violation.message,
    rule: violation.ruleId,
  }));
  const violations = [...broken, ...unsound];
  const [first] = violations;
  throw new StatusError(Code.INVALID_ARGUMENT, {
    reason: "INVALID_REQUEST",
    domain: "ridemesh",
    message: first ? `${first.field ? `${first.field}: ` : ""}${first.message}` : "invalid request",
    violations,
  });
}

/** Decodes and checks a request. Bytes that are no such message are INVALID_ARGUMENT as well. */
export function decodeValid(schema: DescMessage, bytes: Uint8Array): Message {
  let message: Message;
  try {
    message = fromBinary(schema, bytes);
  } catch {
    throw new StatusError(Code.INVALID_ARGUMENT, {
      reason: "INVALID_REQUEST",
      domain: "ridemesh",
      message: `the body is not a ${schema.typeName}`,
    });
  }
  validateMessage(schema, message);
  return message;
}

/** `pickup.point.lat`, `points[3].observe_time`. */
function fieldPath(violation: Violation): string {
  let path = "";
  for (const segment of violation.field) {
    switch (segment.kind) {
      case "field":
      case "oneof":
        path += `${path ? "." : ""}${segment.name}`;
        break;
      case "extension":
        path += `[${segment.typeName}]`;
        break;
      case "list_sub":
        path += `[${segment.index}]`;
        break;
      case "map_sub":
        path += `[${JSON.stringify(segment.key)}]`;
        break;
    }
  }
  return path;
}
