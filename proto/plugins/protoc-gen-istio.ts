/** protoc plugin: the mesh's objects of each service. */
import { runFilePlugin } from "./file-plugin.js";
import { istioFiles } from "./istio-files.js";

runFilePlugin("protoc-gen-istio", (files) => istioFiles(files.flatMap((file) => file.services)));
