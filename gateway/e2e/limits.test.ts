/** Rate limits, on a platform that has some. */
import { expect } from "chai";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { policyOf } from "../../services/runtime/contract.js";
import { Code } from "../../services/runtime/status.js";
import { failure } from "../../services/testing/failure.js";
import { grpcWire } from "./grpc-wire.js";
import { http, type HttpAnswer, type Problem } from "./http.js";
import { createPeople, type People, type Person } from "./people.js";
import { startTestPlatform, type TestPlatform } from "./platform.js";
import { connectWire, type Wire } from "./wire.js";

const perMinute = 12;
const burst = 3;

describe("rate limits", function () {
  this.timeout(20_000);
  let platform: TestPlatform;
  let wire: Wire;
  let people: People;
  let rider: Person;

  before(async () => {
    platform = await startTestPlatform({ perMinute, burst });
    wire = connectWire(platform.url, "binary");
    people = createPeople(platform, wire);
    rider = await people.register(Role.RIDER);
  });
  after(async () => {
    await wire?.stop();
    await platform?.stop();
  });

  const validate = (as: Person) => http(platform.url, "GET", "/api/auth/validate", { as });
  const standing = ({ headers }: HttpAnswer) =>
    ["limit", "remaining", "reset"].map((name) => {
      const value = headers.get(`ratelimit-${name}`);
      expect(headers.get(`x-ratelimit-${name}`), name).to.equal(value);
      return Number(value);
    });

  it("are told with every answer, and then end in 429 and when to come again", async () => {
    for (let call = 1; call <= perMinute; call += 1) {
      const answer = await validate(rider);
      expect(answer.status).to.equal(200);
      const [limit, remaining, reset] = standing(answer);
      expect([limit, remaining]).to.deep.equal([perMinute, perMinute - call]);
      expect(reset).to.be.within(1, 60);
    }
    for (let call = 1; call <= burst; call += 1) {
      expect((await validate(rider)).status).to.equal(200);
    }
    const refused = await validate(rider);
    expect(refused.status).to.equal(429);
    const problem = refused.json as unknown as Problem;
    expect([problem.reason, problem.metadata["limit"]]).to.deep.equal([
      "RATE_LIMITED",
      String(perMinute),
    ]);
    const retryAfter = Number(refused.headers.get("retry-after"));
    expect(retryAfter).to.be.within(1, 60);
    expect(problem.retry_after_seconds).to.equal(retryAfter);
    const [limit, remaining, reset] = standing(refused);
    expect([limit, remaining, reset]).to.deep.equal([perMinute, 0, retryAfter]);
  });

  it("hold over every protocol", async () => {
    const grpc = grpcWire(`127.0.0.1:${platform.port}`);
    for (const one of [wire, grpc]) {
      const method = IdentityService.method.validateToken;
      const error = await failure(one.unary(method, rider, {}));
      expect(Code[error.code], one.name).to.equal("RESOURCE_EXHAUSTED");
      expect(error.reason, one.name).to.equal("RATE_LIMITED");
      expect(error.retryAfterMs, one.name).to.be.within(1, 60_000);
    }
    await grpc.stop();
    const json = await http(
      platform.url,
      "POST",
      "/ridemesh.identity.v1.IdentityService/ValidateToken",
      { as: rider, body: {} },
    );
    expect([json.status, json.json["code"]]).to.deep.equal([429, "resource_exhausted"]);
    expect(Number(json.headers.get("retry-after"))).to.be.within(1, 60);
    expect(json.headers.get("ratelimit-remaining")).to.equal("0");
  });

  it("are each person's own, and a method's own where it has one", async () => {
    const other = await people.register(Role.RIDER);
    expect((await validate(other)).status).to.equal(200);

    const own = policyOf(TripService.method.requestTrip).requestsPerMinute;
    expect(own).to.equal(30);
    const statuses = [];
    for (let call = 0; call <= own + burst; call += 1) {
      const body = { quoteToken: "none" };
      statuses.push((await http(platform.url, "POST", "/api/trips", { as: rider, body })).status);
    }
    expect(statuses.slice(0, own + burst)).to.deep.equal(Array(own + burst).fill(400));
    expect(statuses.at(-1)).to.equal(429);
  });

  it("leave alone what tells how the platform is", async () => {
    for (let call = 0; call < 2 * (perMinute + burst); call += 1) {
      expect((await http(platform.url, "GET", "/health")).status).to.equal(200);
    }
  });
});
