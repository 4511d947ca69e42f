/** Services take calls only from holders of a certificate of their own authority. */
import { status as Code, credentials, type ChannelCredentials } from "@grpc/grpc-js";
import { expect } from "chai";
import { CityInternalService } from "../../gen/es/ridemesh/city/v1/city_internal_service_pb.js";
import { allServices, serviceNameOf } from "../../services/runtime/contract.js";
import { createAuthority } from "../../services/runtime/certificates.js";
import { wallClock } from "../../services/runtime/clock.js";
import { channelCredentials } from "../../services/runtime/tls.js";
import { serviceNames } from "../../services/standalone/platform.js";
import { failure } from "../../services/testing/failure.js";
import { grpcWire } from "./grpc-wire.js";
import { createPeers } from "./peers.js";
import { sharedPlatform, type TestPlatform } from "./platform.js";

describe("services among themselves", () => {
  let platform: TestPlatform;
  before(async () => {
    platform = await sharedPlatform();
  });

  /** The error that any call over the channel fails with. */
  const callOver = async (service: string, channel: ChannelCredentials) => {
    const method = CityInternalService.method.resolveOperator;
    const wire = grpcWire(platform.address(service), channel, {
      "grpc.ssl_target_name_override": service,
    });
    try {
      return await failure(wire.unary(method, undefined, { operator: "metro" }));
    } finally {
      await wire.stop();
    }
  };

  it("are all in the contract", () => {
    const named = new Set(allServices().map((service) => serviceNameOf(service)));
    expect([...named].sort()).to.deep.equal([...serviceNames].sort());
  });

  for (const service of serviceNames) {
    it(`${service} refuses connections without a certificate, with a stranger's, and in clear text`, async () => {
      const { ca } = platform.authority;
      const stranger = await createAuthority({ now: wallClock.now() });
      const foreign = await stranger.issue({ service: "gateway", now: wallClock.now() });
      const refused = await Promise.all([
        callOver(service, credentials.createSsl(Buffer.from(ca))),
        callOver(service, channelCredentials({ ...foreign, ca })),
        callOver(service, credentials.createInsecure()),
      ]);
      expect(refused.map(({ code }) => code)).to.deep.equal([
        Code.UNAVAILABLE,
        Code.UNAVAILABLE,
        Code.UNAVAILABLE,
      ]);
    });
  }

  it("answer a peer with a certificate, so that the refusals above are not for another reason", async () => {
    const peers = await createPeers(platform);
    const method = CityInternalService.method.resolveOperator;
    const answer = await peers.call(method, "identity", { operator: "metro" });
    expect(answer?.tenantId).to.equal("metro");
    await peers.stop();
  });
});
