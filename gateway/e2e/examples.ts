/** One example for every RPC of the contract. access.test.ts says which is missing. */
import type { DescMethod } from "@bufbuild/protobuf";
import { accountExamples } from "./examples-accounts.js";
import { driverExamples } from "./examples-drivers.js";
import { internalExamples } from "./examples-internal.js";
import { tripExamples } from "./examples-trips.js";
import type { Example } from "./example.js";

const examples = new Map<DescMethod, Example>(
  [...accountExamples, ...driverExamples, ...tripExamples, ...internalExamples].map((one) => [
    one.method,
    one,
  ]),
);

/** The example of a method; undefined when there is none. */
export function exampleOf(method: DescMethod): Example | undefined {
  return examples.get(method);
}
