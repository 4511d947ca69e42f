/** Which messages hold personal data, as the contract's field option says. */
import { getOption, hasOption, type DescMessage } from "@bufbuild/protobuf";
import { pii } from "../../gen/es/ridemesh/options/v1/options_pb.js";

const known = new Map<DescMessage, boolean>();

/** Whether a message, or one within it, has a field that is marked as personal data. */
export function hasPersonalData(message: DescMessage): boolean {
  const answer = known.get(message);
  if (answer !== undefined) return answer;
  // A message that contains itself is settled by its other fields.
  known.set(message, false);
  const result = message.fields.some((field) => {
    if (hasOption(field, pii) && getOption(field, pii)) return true;
    return field.message !== undefined && hasPersonalData(field.message);
  });
  known.set(message, result);
  return result;
}
