import { expect } from "chai";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { testHost, type TestHost } from "../testing/host.js";
import { startStandIn } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import { createChannel, type Channel } from "./client.js";
import { addSeconds, wallClock } from "./clock.js";
import { createFanout, type Fanout } from "./fanout.js";
import { stopAll, type Runnable } from "./lifecycle.js";
import { silentLogger } from "./log.js";
import { StatusError } from "./status.js";
import { createTokenVerifier } from "./token.js";
import { watchCities, watchTrust, type Cities } from "./watch.js";

describe("watching another service", () => {
  let host: TestHost;
  let cities: City[];
  /** Says that the cities have changed, or ("lost") that the stream breaks. */
  let news: Fanout<"changed" | "lost">;
  let connections: number;
  const running: Runnable[] = [];
  const deps = { wall: wallClock, log: silentLogger };

  before(async () => {
    host = await testHost(["city", "identity"]);
    await startStandIn(host, "city", CityInternalServiceService, {
      watchCities: async function* (_request, ctx) {
        connections += 1;
        const changes = news.subscribe("", ctx.signal);
        yield { cities };
        for await (const change of changes) {
          if (change === "lost") throw new Error("the connection is lost");
          yield { cities };
        }
      },
    });
  });
  beforeEach(() => {
    connections = 0;
    news = createFanout();
    cities = [City.fromPartial({ tenantId: "metro", cityId: "new-york", name: "New York" })];
  });
  afterEach(() => stopAll(running.splice(0)));
  after(() => host.stop());

  const channelTo = (service: string): Channel => {
    const address = () => host.host.address(service);
    const identity = host.host.identity("trip");
    const channel = createChannel({ service, address, identity, ...deps });
    running.push(channel);
    return channel;
  };
  const follow = (): Cities => {
    const copy = watchCities(channelTo("city"), deps);
    running.push(copy);
    return copy;
  };
  const names = (copy: Cities, tenantId: string) => copy.list(tenantId).map(({ name }) => name);

  it("knows nothing before the first word, and says so", () => {
    expect(() => follow().list("metro"))
      .to.throw(StatusError, "the cities are not known yet")
      .with.property("reason", "DEPENDENCY_UNAVAILABLE");
  });

  it("has each operator's cities, and follows every change", async () => {
    const copy = follow();
    await waitFor("the first word", () => names(copy, "metro"));
    expect(names(copy, "metro")).to.deep.equal(["New York"]);
    expect(names(copy, "harbor")).to.deep.equal([]);
    expect(copy.get("metro", "new-york")).to.include({ name: "New York" });
    expect(copy.get("harbor", "new-york")).to.equal(undefined);
    cities = [City.fromPartial({ tenantId: "harbor", cityId: "port", name: "Port" })];
    news.publish("", "changed");
    await waitFor("the change", () => names(copy, "harbor").length === 1);
    expect(names(copy, "metro")).to.deep.equal([]);
  });

  it("keeps what it knows while the connection is lost, and soon connects again, however often", async () => {
    const copy = follow();
    await waitFor("the first word", () => names(copy, "metro"));
    for (let n = 1; n <= 12; n += 1) {
      await waitFor(`connection ${n}`, () => connections === n && news.size() === 1);
      expect(names(copy, "metro")).to.deep.equal(["New York"]);
      news.publish("", "lost");
    }
    cities = [];
    await waitFor("the last word", () => names(copy, "metro").length === 0);
  });

  it("trusts the keys that identity publishes, and no session that it has revoked", async () => {
    const revoked = createFanout<string>();
    let keys = 0;
    await startStandIn(host, "identity", IdentityInternalServiceService, {
      watchTrust: async function* (_request, ctx) {
        const sessions = revoked.subscribe("", ctx.signal);
        yield { keys: [], revokedSessions: [] };
        const expireTime = addSeconds(wallClock.now(), 60);
        for await (const sessionId of sessions) {
          yield { keys: [], revokedSessions: [{ sessionId, expireTime }] };
        }
      },
    });
    const verifier = createTokenVerifier(wallClock);
    const trust = { ...verifier, setKeys: () => void (keys += 1) };
    running.push(watchTrust(channelTo("identity"), trust, deps));
    await waitFor("the stream", () => revoked.size() === 1);
    let told = false;
    verifier.onRevoked("session-1", () => (told = true));
    revoked.publish("", "session-1");
    await waitFor("the revocation", () => told);
    expect(verifier.isRevoked("session-1")).to.equal(true);
    expect(verifier.isRevoked("session-2")).to.equal(false);
    // A message without keys says nothing about keys.
    expect(keys).to.equal(0);
  });
});
