import { readFileSync, readdirSync } from "node:fs";
import type { DescMethod } from "@bufbuild/protobuf";
import { expect } from "chai";
import { parseAllDocuments } from "yaml";
import { Idempotency } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import {
  allMethods,
  allServices,
  isExternal,
  policyOf,
  rpcPath,
  serviceNameOf,
} from "../../services/runtime/contract.js";
import { declareMethod } from "../../services/testing/declare-method.js";
import { istioFiles } from "./istio-files.js";

interface AuthorizationPolicy {
  kind: "AuthorizationPolicy";
  metadata: { name: string; namespace: string };
  spec: {
    selector?: { matchLabels: { app: string } };
    action?: string;
    rules?: {
      from?: { source: { principals: string[] } }[];
      to?: { operation: { paths: string[] } }[];
    }[];
  };
}

interface Route {
  name: string;
  match?: { uri: { exact: string } }[];
  route: { destination: { host: string } }[];
  retries: { attempts: number };
  timeout?: string;
}

interface VirtualService {
  kind: "VirtualService";
  metadata: { name: string; namespace: string };
  spec: { hosts: string[]; http: Route[] };
}

type Served = AuthorizationPolicy | VirtualService;

const folder = "istio/generated";
const services = [...new Set(allServices().map(serviceNameOf))].sort();
const callers = [...services, "gateway", "stranger"];

function parse(text: string): Served[] {
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).to.deep.equal([]);
    return document.toJS() as Served;
  });
}

const read = (path: string) => parse(readFileSync(path, "utf8"));
const objects = readdirSync(folder).flatMap((file) => read(`${folder}/${file}`));
const policies = objects.filter((object) => object.kind === "AuthorizationPolicy");
const virtualServices = objects.filter((object) => object.kind === "VirtualService");

/** What the mesh makes of a call: allowed when any policy on the workload has a rule that fits. */
function allows(workload: string, caller: string, path: string): boolean {
  const principal = `cluster.local/ns/ridemesh/sa/${caller}`;
  return policies
    .filter(({ spec }) => spec.selector?.matchLabels.app === workload)
    .flatMap(({ spec }) => spec.rules ?? [])
    .some(
      (rule) =>
        rule.from?.some(({ source }) => source.principals.includes(principal)) &&
        rule.to?.some(({ operation }) => operation.paths.includes(path)),
    );
}

function declared(method: DescMethod, caller: string): boolean {
  if (caller === "stranger") return false;
  if (isExternal(method)) return caller === "gateway";
  const { callers: named } = policyOf(method);
  return named.includes("*") || named.includes(caller);
}

/** The route that a call takes: the first that matches. */
function routeOf(method: DescMethod): Route {
  const { spec } = virtualServices.find(({ metadata }) => metadata.name === serviceNameOf(method))!;
  const path = rpcPath(method);
  return spec.http.find(({ match }) => !match || match.some(({ uri }) => uri.exact === path))!;
}

describe("the mesh's policies", () => {
  it("are those that the contract gives today", () => {
    const fresh = istioFiles(allServices());
    expect(readdirSync(folder).sort()).to.deep.equal([...fresh.keys()]);
    for (const [file, text] of fresh) {
      expect(readFileSync(`${folder}/${file}`, "utf8"), file).to.equal(text);
    }
  });

  it("cover each service once, in its own namespace and by allowing only", () => {
    expect(policies.map(({ spec }) => spec.selector?.matchLabels.app)).to.deep.equal(services);
    for (const { metadata, spec } of policies) {
      expect(metadata.namespace).to.equal("ridemesh");
      expect(spec.action).to.equal("ALLOW");
      // A rule without from or to would let everyone in, or into everything.
      for (const rule of spec.rules!) expect(rule).to.have.all.keys("from", "to");
    }
  });

  for (const method of allMethods()) {
    const path = rpcPath(method);
    const rightful = callers.filter((caller) => declared(method, caller));
    it(`let only ${rightful.join(", ")} call ${path}`, () => {
      for (const workload of services) {
        const allowed = callers.filter((caller) => allows(workload, caller, path));
        expect(allowed, workload).to.have.members(
          workload === serviceNameOf(method) ? rightful : [],
        );
      }
    });
  }

  it("deny what nothing allows", () => {
    const [policy] = read("istio/deny-by-default.yaml") as AuthorizationPolicy[];
    expect(policy!.metadata.namespace).to.equal("ridemesh");
    expect(policy!.spec).to.deep.equal({});
  });

  it("take mutual TLS only", () => {
    const peer = read("istio/mesh.yaml").find(
      ({ kind }) => (kind as string) === "PeerAuthentication",
    );
    expect(peer?.metadata.namespace).to.equal("ridemesh");
    expect(peer?.spec).to.deep.equal({ mtls: { mode: "STRICT" } });
  });

  it("cannot be made for a caller that is no service", () => {
    const method = declareMethod({
      policy: { callers: ["stranger"], deadlineMs: 1000, idempotency: Idempotency.NATURAL },
    });
    expect(() => istioFiles([method.parent])).to.throw("caller stranger is no service");
  });
});

describe("the mesh's routes", () => {
  it("lead each service's host to the service itself", () => {
    expect(virtualServices.map(({ metadata }) => metadata.name)).to.deep.equal(services);
    for (const { metadata, spec } of virtualServices) {
      const host = `${metadata.name}.ridemesh.svc.cluster.local`;
      expect(spec.hosts).to.deep.equal([host]);
      for (const { route } of spec.http) expect(route).to.deep.equal([{ destination: { host } }]);
    }
  });

  it("never retry, and end with one that matches everything", () => {
    for (const { spec } of virtualServices) {
      for (const { retries } of spec.http) expect(retries).to.deep.equal({ attempts: 0 });
      expect(spec.http.filter(({ match }) => !match)).to.deep.equal([spec.http.at(-1)]);
    }
  });

  it("leave each call a quarter of its deadline and 250 ms beyond it, and streams alone", () => {
    for (const method of allMethods()) {
      const { deadlineMs } = policyOf(method);
      const { timeout } = routeOf(method);
      if (method.methodKind === "unary") {
        expect(timeout, rpcPath(method)).to.match(/^\d+(\.\d+)?s$/);
        expect(parseFloat(timeout!) * 1000, rpcPath(method)).to.equal(deadlineMs * 1.25 + 250);
      } else {
        expect(timeout, rpcPath(method)).to.equal(undefined);
      }
    }
  });
});
