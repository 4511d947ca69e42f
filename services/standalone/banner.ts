/** What `npm start` tells a person. */
import type { DemoAccounts } from "./demo-accounts.js";

export interface BannerFacts {
  seconds: number;
  url: string;
  metricsUrl: string;
  dataDir: string;
  demo: DemoAccounts | undefined;
}

/** Where everything is, who can log in, and three commands that work as printed in a POSIX shell. */
export function bannerText({ seconds, url, metricsUrl, dataDir, demo }: BannerFacts): string {
  const { host, protocol } = new URL(url);
  // A certificate is for the name that the world uses, which is hardly "localhost".
  const unverified =
    protocol === "https:"
      ? { curl: "-k ", buf: "-k ", grpcurl: "-insecure" }
      : { curl: "", buf: "--http2-prior-knowledge ", grpcurl: "-plaintext" };
  const lines = [
    `Ridemesh is ready (${seconds.toFixed(1)} s)`,
    "",
    `  gateway   ${url}   REST, Connect, gRPC-Web, gRPC, SSE, WebSocket`,
    `  map       ${url}/console/`,
    `  API docs  ${url}/docs/`,
    `  health    ${url}/health`,
    `  metrics   ${metricsUrl}`,
    `  data      ${dataDir}`,
    "",
  ];
  if (demo) {
    lines.push(
      "Demo accounts of the operator metro (made for this data folder):",
      ...[demo.rider, demo.driver, demo.admin].map((a) => `  ${a.email.padEnd(20)} ${a.password}`),
      "",
      "Try:",
      `  curl -s ${unverified.curl}${url}/api/auth/login -H 'content-type: application/json' -d '{"operator":"metro","email":"${demo.rider.email}","password":"${demo.rider.password}"}'`,
    );
  } else {
    lines.push(
      "The operators metro (New York) and harbor come along. Each one's first admin is made in another terminal:",
      `  npm run create-admin -- --data-dir ${quoted(dataDir)} --operator metro --email you@example.org`,
      "",
      "Try:",
      `  curl -s ${unverified.curl}'${url}/api/cities?operator=metro'`,
    );
  }
  lines.push(
    `  npx buf curl --protocol grpc ${unverified.buf}-d '{"operator":"metro"}' ${url}/ridemesh.city.v1.CityService/ListCities`,
    `  grpcurl ${unverified.grpcurl} -d '{"operator":"metro"}' ${host} ridemesh.city.v1.CityService/ListCities`,
    "",
    "Ctrl-C stops everything.",
  );
  return lines.join("\n");
}

/** As one word of a shell. */
function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
