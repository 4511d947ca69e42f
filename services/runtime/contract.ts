/** The contract at run time: its services, and what it says about each method. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { contractFiles } from "./contract-files.js";

// Apart, because the protoc plugins use them before gen/es exists.
export {
  isExternal,
  isReadOnly,
  isRepeatable,
  policyOf,
  rpcName,
  rpcPath,
  serviceNameOf,
} from "./method-options.js";

const services: readonly DescService[] = contractFiles.flatMap((file) => file.services);

/** Every service that the contract declares, external and internal. */
export function allServices(): readonly DescService[] {
  return services;
}

/** Every method that the contract declares. */
export function allMethods(): readonly DescMethod[] {
  return services.flatMap((service) => service.methods);
}
