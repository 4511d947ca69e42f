/** A real browser for tests of pages: the machine's own Chromium, since npm brings none along. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";

/** What it is called by those who package it. */
const names = ["chromium", "chromium-browser", "google-chrome"];

/**
 * Starts Chromium without a window; rejects with a line that says what to do where there is none. It
 * ends when it is closed, and with this process at the latest.
 */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await findChromium(),
    // Root cannot have the sandbox, and what is shown here is our own.
    chromiumSandbox: false,
    // Whoever started it also stops the rest.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

/** The program that CHROMIUM names, else the first in PATH. */
async function findChromium(): Promise<string> {
  const wanted = process.env["CHROMIUM"];
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  const candidates = wanted
    ? [wanted]
    : names.flatMap((name) => folders.map((folder) => join(folder, name)));
  for (const path of candidates) {
    if (await isProgram(path)) return path;
  }
  throw new Error(
    wanted
      ? `CHROMIUM names ${wanted}, which is no program`
      : "there is no Chromium: apt-get install chromium, or name its program in CHROMIUM",
  );
}

function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** A page, and what went wrong on it. */
export interface Visit {
  page: Page;
  /** What the page has complained about, or asked of other hosts, since this was asked last. */
  takeProblems(): string[];
}

/** Opens an empty page, for an origin. */
export async function openPage(browser: Browser, origin: string): Promise<Visit> {
  const page = await browser.newPage();
  let problems: string[] = [];
  const isForeign = (url: string): boolean => {
    const { protocol, host } = new URL(url);
    return !["data:", "blob:"].includes(protocol) && host !== new URL(origin).host;
  };
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    problems.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => problems.push(`thrown: ${error.message}`));
  page.on("request", (request) => {
    if (isForeign(request.url())) problems.push(`request to ${request.url()}`);
  });
  page.on("websocket", (socket) => {
    if (isForeign(socket.url())) problems.push(`WebSocket to ${socket.url()}`);
  });
  return {
    page,
    takeProblems: () => {
      const taken = problems;
      problems = [];
      return taken;
    },
  };
}
