import { expect } from "chai";
import { standaloneConfig } from "./config.js";
import { StartError } from "./start-error.js";

describe("what npm start takes from the environment", () => {
  it("is this machine alone, the usual limits and the usual log", () => {
    const { logLevel, gateway } = standaloneConfig({});
    expect(logLevel).to.equal("info");
    expect(gateway).to.deep.equal({
      host: "127.0.0.1",
      tls: undefined,
      limits: { perMinute: 100, burst: 40 },
      corsOrigins: ["*"],
      trustedProxies: 0,
    });
  });

  it("is the log's level, and who may call how often from where", () => {
    const { logLevel, gateway, settings } = standaloneConfig({
      LOG_LEVEL: "debug",
      RIDEMESH_HOST: "0.0.0.0",
      RIDEMESH_RATE_PER_MINUTE: "0",
      RIDEMESH_CORS_ORIGINS: "https://app.example, https://admin.example",
      RIDEMESH_TRUSTED_PROXIES: "1",
      RIDEMESH_QUOTE_SECONDS: "60",
    });
    expect(logLevel).to.equal("debug");
    expect(gateway).to.deep.equal({
      host: "0.0.0.0",
      tls: undefined,
      limits: { perMinute: 0, burst: 40 },
      corsOrigins: ["https://app.example", "https://admin.example"],
      trustedProxies: 1,
    });
    expect(settings.pricing).to.include({ quoteSeconds: 60 });
    expect(settings.location).to.deep.equal({ retentionDays: 90 });
  });

  it("is refused in one line that names what is wrong", () => {
    const refusal = (env: Record<string, string>) => {
      try {
        standaloneConfig(env);
      } catch (error) {
        if (error instanceof StartError) return error.message;
        throw error;
      }
      return undefined;
    };
    expect(refusal({ LOG_LEVEL: "loud" })).to.match(/^LOG_LEVEL is "loud", not one of fatal, /);
    expect(refusal({ RIDEMESH_RATE_BURST: "many" })).to.equal(
      'RIDEMESH_RATE_BURST: "many" is not a number',
    );
    expect(refusal({ RIDEMESH_TLS_KEY_FILE: "key.pem" })).to.equal(
      "RIDEMESH_TLS_KEY_FILE and RIDEMESH_TLS_CERT_FILE go together",
    );
    expect(refusal({ RIDEMESH_QUOTE_SECONDS: "0" })).to.match(/^RIDEMESH_QUOTE_SECONDS must be /);
  });
});
