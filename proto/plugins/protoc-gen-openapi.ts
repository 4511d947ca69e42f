/** protoc plugin: the OpenAPI document of everything that answers over REST. */
import { runFilePlugin } from "./file-plugin.js";
import { openApiDocument } from "./openapi-document.js";

runFilePlugin("protoc-gen-openapi", (files) => {
  const document = openApiDocument(files);
  return new Map([["ridemesh.openapi.json", `${JSON.stringify(document, null, 2)}\n`]]);
});
