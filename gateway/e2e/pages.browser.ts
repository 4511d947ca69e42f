/**
 * The gateway's pages in a real browser, over the platform as `npm start` runs it. `npm run test:browser`
 * runs it; `npm test` does not, since it needs Chromium.
 */
import { expect } from "chai";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, openPage, type Visit } from "../../services/testing/browser.js";
import { whenInterrupted } from "../../services/testing/interrupted.js";
import { allGone, runProgram, type Program } from "../../services/testing/program.js";
import { temporaryParent } from "../../services/testing/temporary-folder.js";
import { waitFor } from "../../services/testing/wait-for.js";
import {
  boundsOf,
  project,
  unproject,
  worldPerMeter,
  type LatLng,
  type ScreenPoint,
} from "../console/projection.js";
import {
  apart,
  listedPositions,
  painted,
  paintedArea,
  paintedSelection,
  placeOf,
} from "./map-pixels.js";

/** The demo's riders take their time before their first ride, and its drivers report now and then. */
const firstMoveMs = 240_000;
/** The page tries again after 15 s at the latest. */
const backMs = 30_000;

describe("the pages in a browser", function () {
  this.timeout(60_000);
  let browser: Browser;
  let folder: string;
  let platform: Program;
  let url: string;
  let visit: Visit;
  let page: Page;

  /** Starts the platform over the same data each time; a port of 0 takes a free one. */
  async function start(port: string): Promise<void> {
    const data = join(folder, "data");
    const main = "services/standalone/main.ts";
    platform = runProgram(main, ["--port", port, "--data-dir", data]);
    await platform.printed(/^Ctrl-C stops everything\.$/m);
    url = /^ +gateway +(http:\/\/localhost:\d+) /m.exec(platform.output())![1]!;
  }

  /** Ctrl-C, after which nothing of it is left. */
  async function stop(): Promise<void> {
    const family = await platform.family();
    platform.interrupt();
    expect(await platform.ended, platform.complaints()).to.equal(0);
    await allGone(family);
  }

  async function stopEverything(): Promise<void> {
    await browser?.close();
    if (platform && !platform.hasEnded()) await stop();
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  before(async () => {
    whenInterrupted(stopEverything);
    browser = await launchBrowser();
    folder = await mkdtemp(join(await temporaryParent(), "ridemesh-browser-test-"));
    await start("0");
    visit = await openPage(browser, url);
    ({ page } = visit);
  });
  after(stopEverything);
  afterEach("complain about nothing, and ask nothing of other hosts", () => {
    expect(visit.takeProblems()).to.deep.equal([]);
  });

  describe("the landing page", () => {
    it("leads to the map and to the docs", async () => {
      for (const [name, path] of [
        ["API docs", "/docs/"],
        ["Live map", "/console/"],
      ] as const) {
        await page.goto(url);
        await page.getByRole("link", { name }).click();
        await page.waitForURL(url + path);
      }
    });
  });

  describe("the API docs", () => {
    let operations: string[];

    before(async () => {
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, unknown>>;
      };
      operations = Object.entries(document.paths).flatMap(([path, item]) =>
        Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`),
      );
    });

    it("show every operation of the contract", async () => {
      await page.goto(`${url}/docs/`);
      const tags = page.locator(".opblock-tag");
      await tags.first().waitFor();
      for (const tag of await tags.all()) await tag.locator(".expand-operation").click();
      const shown = await page.locator(".opblock-summary:visible").evaluateAll((blocks) =>
        blocks.map((block) => {
          const verb = block.querySelector(".opblock-summary-method")!.textContent;
          const path = block.querySelector("[data-path]")!.getAttribute("data-path");
          return `${verb} ${path}`;
        }),
      );
      expect(operations).to.have.length.above(30);
      expect(shown.toSorted()).to.deep.equal(operations.toSorted());
      expect(await page.locator(".errors-wrapper").count()).to.equal(0);
    });

    it("call one that needs no account", async () => {
      const block = page
        .locator(".opblock")
        .filter({ has: page.locator('[data-path="/api/cities"]') })
        .filter({ hasText: "GET" });
      await block.locator(".opblock-summary-control").click();
      await block.getByPlaceholder("operator").fill("metro");
      await block.getByRole("button", { name: "Execute" }).click();
      const answer = block.locator(".live-responses-table");
      await answer.getByText("New York").first().waitFor();
      expect(await answer.locator(".response-col_status").allTextContents()).to.include("200");
    });
  });

  describe("the live map", () => {
    let area: LatLng[];
    const text = async (id: string) => (await page.locator(`#${id}`).textContent())?.trim();
    const drivers = async () => Number(await text("free-count")) + Number(await text("busy-count"));
    const isLive = (timeout?: number) =>
      page.locator("#stream[data-state=live]").waitFor({ timeout });
    const metersPerPixel = async () =>
      Number(await page.locator("#map").getAttribute("data-meters-per-pixel"));
    /** Looks now and then, for pictures take a while to read. */
    const seen = <T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs: number) =>
      waitFor(
        what,
        async () => {
          await page.waitForTimeout(200);
          return look();
        },
        timeoutMs,
      );

    before(async () => {
      const answer = await fetch(`${url}/api/cities?operator=metro`);
      const { cities } = (await answer.json()) as { cities: { serviceArea: LatLng[] }[] };
      area = cities[0]!.serviceArea;
    });

    it("opens by itself with the demo's account, and goes live", async () => {
      await page.goto(`${url}/console/`);
      await isLive();
      expect(await page.title()).to.equal("New York · Live map · Ridemesh");
      expect(await page.locator("#city option").allTextContents()).to.deep.equal(["New York"]);
      expect(await page.getByRole("status").filter({ visible: true }).allTextContents()).to.include(
        "Live",
      );
      expect(await page.locator("#login-page").isVisible()).to.equal(false);
      const shown = await text("clock");
      await seen("the clock to go on", async () => (await text("clock")) !== shown, 5_000);
    });

    it("draws the zones, and the whole service area in its true size", async () => {
      const land = await painted(page, "ground", "--map-land");
      const water = await painted(page, "ground", "--map-water");
      const edges = await painted(page, "ground", "--map-land-edge");
      expect(land.share).to.be.within(0.1, 0.6);
      expect(water.share).to.be.within(0.1, 0.8);
      expect(edges.pixels).to.be.above(1000);

      const drawn = await paintedArea(page);
      const { min, max } = boundsOf(area.map(project));
      const { lat } = unproject({ x: (min.x + max.x) / 2, y: (min.y + max.y) / 2 });
      const scale = worldPerMeter(lat) * (await metersPerPixel());
      expect(drawn.right - drawn.left).to.be.closeTo((max.x - min.x) / scale, 8);
      expect(drawn.bottom - drawn.top).to.be.closeTo((max.y - min.y) / scale, 8);
      // The zones lie within it.
      expect(land.left).to.be.above(drawn.left);
      expect(land.right).to.be.below(drawn.right);
      expect(land.top).to.be.above(drawn.top);
      expect(land.bottom).to.be.below(drawn.bottom);
    });

    it("shows drivers as they come online, counts and lists them", async () => {
      await seen("five drivers", async () => (await drivers()) >= 5, 30_000);
      const drawn = await painted(page, "marks", "--map-free");
      expect(drawn.pixels).to.be.above(100);
      await page.getByRole("button", { name: "Driver list" }).click();
      const rows = page.locator("#list-rows tr");
      await seen("as many rows", async () => (await rows.count()) === (await drivers()), 10_000);
      await page.getByRole("button", { name: "Close the driver list" }).click();
    });

    it("goes on after a reload, without a login", async () => {
      const calls: string[] = [];
      page.on("request", (request) => calls.push(request.url()));
      await page.reload();
      await isLive();
      const logins = calls.filter((call) => call.endsWith("/Login"));
      expect(logins).to.deep.equal([]);
    });

    it("asks for an account after a logout, and takes the right password only", async () => {
      await page.getByRole("button", { name: "Log out" }).click();
      const [, password] = /^ +admin@demo\.example +(\S+)$/m.exec(platform.output())!;
      await page.getByLabel("Operator").fill("metro");
      await page.getByLabel("E-mail").fill("admin@demo.example");
      await page.getByLabel("Password").fill("not the password");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
      const [refusal, ...others] = visit.takeProblems();
      expect([refusal!.includes("401"), others]).to.deep.equal([true, []]);
      await page.getByLabel("Password").fill(password!);
      await page.getByRole("button", { name: "Log in" }).click();
      await isLive();
      await seen("drivers", async () => (await drivers()) > 0, 10_000);
    });

    it("moves those who drive, and does not let them jump", async () => {
      await page.getByRole("button", { name: "Driver list" }).click();
      await page.locator("#list-filter").selectOption("busy");
      // So near that a car in the city's traffic is seen to move.
      const far = await metersPerPixel();
      for (let step = 0; step < 7; step += 1) {
        await page.getByRole("button", { name: "Zoom in" }).click();
      }
      await seen("the map to be enlarged", async () => (await metersPerPixel()) < far / 20, 5_000);

      let known = new Map<string, string>();
      await seen(
        "a driver who drives",
        async () => {
          const now = await listedPositions(page);
          const reported = [...now].find(([id, at]) => known.has(id) && known.get(id) !== at);
          known = now;
          return reported && glides(reported[0]);
        },
        firstMoveMs,
      );
    }).timeout(firstMoveMs + 30_000);

    /** Shows a driver whose new position has just come; resolves to whether the mark goes there. */
    async function glides(driverId: string): Promise<boolean> {
      await page.locator(`#list-rows tr[data-driver-id="${driverId}"] button`).click();
      await page.waitForTimeout(400);
      const places: ScreenPoint[] = [];
      for (let look = 0; look < 15; look += 1) {
        const place = await paintedSelection(page);
        if (place && !places.some((one) => apart(one, place) < 1)) places.push(place);
        if (places.length >= 4 && apart(places[0]!, places.at(-1)!) > 5) return true;
        await page.waitForTimeout(200);
      }
      return false;
    }

    it("draws a driver where the platform says that he is", async () => {
      await page.getByRole("button", { name: "Close the driver list" }).click();
      await page.getByRole("button", { name: "Whole city" }).click();
      await page.waitForTimeout(500);
      const drawn = await paintedArea(page);
      const words = (await text("driver-position"))!;
      const [, lat, lng] = /^([\d.]+)° N, ([\d.]+)° W$/.exec(words)!;
      const at = (await paintedSelection(page))!;
      const place = placeOf({ lat: Number(lat), lng: -Number(lng) }, area, drawn);
      expect(apart(at, place), `${words} at ${at.x}, ${at.y}`).to.be.below(6);
    });

    it("selects a driver where he is clicked on, and lets go of him at Escape", async () => {
      const at = (await paintedSelection(page))!;
      await page.keyboard.press("Escape");
      await page.locator("#map").focus();
      await page.keyboard.press("Escape");
      await seen("no selection", async () => !(await paintedSelection(page)), 5_000);
      expect(await page.locator("#driver").isVisible()).to.equal(false);
      await page.mouse.click(at.x, at.y);
      await page.locator("#driver").waitFor();
      const again = await seen("the selection", () => paintedSelection(page), 5_000);
      expect(apart(again, at)).to.be.below(20);
    });

    it("says so when the platform is gone, and goes on when it is back", async () => {
      await page.evaluate(() => document.body.classList.add("not-reloaded"));
      await stop();
      await page.locator("#stream[data-state=reconnecting]").waitFor();
      expect(await text("stream-text")).to.equal("Reconnecting…");
      expect(await page.locator("#map").isVisible()).to.equal(true);
      await seen(
        "how old the picture is",
        async () => /^\d+ s ago$/.test((await text("stream-age"))!),
        10_000,
      );
      await start(new URL(url).port);
      await isLive(backMs);
      // Chromium tells of the attempts that failed.
      const problems = visit.takeProblems();
      const other = problems.filter((one) => !one.startsWith("error: Failed to load resource: "));
      expect(other).to.deep.equal([]);
      await seen("drivers", async () => (await drivers()) > 0, backMs);
      await seen("the picture to be new", async () => (await text("stream-age")) === "", backMs);
      expect(await page.locator("body.not-reloaded").count()).to.equal(1);
      expect(await page.locator("#login-page").isVisible()).to.equal(false);
    }).timeout(120_000);
  });
});
