import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Code, StatusError, invalidField, unavailable } from "../services/runtime/status.js";
import { asStatusError, httpStatus, noRoute, problemOf, sendProblem } from "./problem.js";

/** What REST users expect of each code. */
const statuses: Record<keyof typeof Code, number> = {
  OK: 500,
  CANCELLED: 499,
  UNKNOWN: 500,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 409,
  ABORTED: 409,
  OUT_OF_RANGE: 400,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DATA_LOSS: 500,
  UNAUTHENTICATED: 401,
};

const withCode = (code: Code) => new StatusError(code, { reason: "", message: "it did not work" });

describe("problems", () => {
  for (const [name, status] of Object.entries(statuses)) {
    it(`show ${name} as ${status}`, () => {
      const error = withCode(Code[name as keyof typeof Code]);
      expect(httpStatus(error)).to.equal(status);
      expect(problemOf(error, "r-1", "/api/x")).to.include({ status, code: name, reason: name });
    });
  }

  it("know every code", () => {
    const names = Object.keys(Code).filter((key) => !/^\d+$/.test(key));
    expect(Object.keys(statuses)).to.have.members(names);
  });

  it("say what happened, to what, and how to find it in the log", () => {
    const error = new StatusError(Code.FAILED_PRECONDITION, {
      reason: "WRONG_STATE",
      message: "the trip is MATCHING",
      metadata: { state: "MATCHING" },
      domain: "trip.ridemesh",
    });
    expect(problemOf(error, "r-1", "/api/trips/1/start")).to.deep.equal({
      type: "urn:ridemesh:problem:wrong-state",
      title: "wrong state",
      status: 409,
      detail: "the trip is MATCHING",
      instance: "/api/trips/1/start",
      code: "FAILED_PRECONDITION",
      reason: "WRONG_STATE",
      domain: "trip.ridemesh",
      metadata: { state: "MATCHING" },
      request_id: "r-1",
      violations: [],
    });
    expect(problemOf(invalidField("pin", "is wrong"), "r-1", "/")).to.deep.include({
      violations: [{ field: "pin", message: "is wrong" }],
    });
  });

  it("show nothing of what was thrown unexpectedly", () => {
    const error = asStatusError(new Error("password=hunter2"));
    expect(error.code).to.equal(Code.INTERNAL);
    expect(JSON.stringify(problemOf(error, "r-1", "/"))).to.not.include("hunter2");
    const known = unavailable("away");
    expect(asStatusError(known)).to.equal(known);
  });

  describe("as responses", () => {
    let server: Server;
    let error: StatusError;
    const answer = async () => {
      const { port } = server.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/`);
      return { response, problem: (await response.json()) as Record<string, unknown> };
    };
    before(async () => {
      server = createServer((_request, response) => sendProblem(response, error, "r-1", "/"));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    });
    after(() => server.close());

    it("are problem JSON", async () => {
      error = unavailable("away");
      const { response, problem } = await answer();
      expect(response.status).to.equal(503);
      expect(response.headers.get("content-type")).to.equal("application/problem+json");
      expect(problem).to.include({ status: 503, detail: "away", request_id: "r-1" });
    });

    it("say when to come back, in whole seconds and never at once", async () => {
      const seconds = async (retryAfterMs: number) => {
        error = new StatusError(Code.RESOURCE_EXHAUSTED, { reason: "", message: "", retryAfterMs });
        const { response, problem } = await answer();
        return [response.headers.get("retry-after"), problem["retry_after_seconds"]];
      };
      expect(await seconds(1)).to.deep.equal(["1", 1]);
      expect(await seconds(1001)).to.deep.equal(["2", 2]);
    });

    it("ask for a token where one is missing", async () => {
      error = withCode(Code.UNAUTHENTICATED);
      const { response } = await answer();
      expect(response.headers.get("www-authenticate")).to.equal('Bearer realm="ridemesh"');
    });

    it("of a path that takes other verbs are 405, with those verbs", async () => {
      error = noRoute("/api/trips", ["GET", "POST"]);
      const { response, problem } = await answer();
      expect(response.status).to.equal(405);
      expect(response.headers.get("allow")).to.equal("GET, POST");
      expect(problem).to.include({ reason: "METHOD_NOT_ALLOWED", code: "UNIMPLEMENTED" });
    });

    it("of a path that there is not are 404", async () => {
      error = noRoute("/api/nothing", []);
      const { response, problem } = await answer();
      expect(response.status).to.equal(404);
      expect(problem).to.include({ reason: "NO_SUCH_PATH" });
    });

    it("of a body that is too large are 413", () => {
      const tooLarge = new StatusError(Code.RESOURCE_EXHAUSTED, {
        reason: "BODY_TOO_LARGE",
        message: "",
      });
      expect(httpStatus(tooLarge)).to.equal(413);
    });
  });
});
