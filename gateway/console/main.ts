/** The console: logs in, then shows the live map. */
import { createApi, type Api } from "./api.js";
import { element, setText } from "./elements.js";
import { isPassing } from "./follow.js";
import { askToLogIn } from "./login-form.js";
import { createMapPage } from "./map-page.js";
import { problemText } from "./problem-text.js";
import type { Credentials } from "./session.js";
import { createWaker } from "./waker.js";

type Shown = "starting" | "login" | "map";

const retryMs = 2000;

const api = createApi(location.origin, sessionStorage);
const waker = createWaker();
const page = createMapPage(api, waker);
const logout = element("logout");
const never = new AbortController().signal;

await start();

async function start(): Promise<void> {
  let notice = (await enter(api)) ?? "";
  for (;;) {
    if (notice !== "" || (await api.session.token().catch(() => undefined)) === undefined) {
      show("login");
      await askToLogIn((typed) => api.session.login(typed), notice, api.session.operator());
      show("map");
      element("map").focus({ preventScroll: true });
    }
    show("map");
    notice = await stay();
  }
}

/** Shows the map until the person leaves it, or must; returns what to say then. */
async function stay(): Promise<string> {
  const leaving = new AbortController();
  logout.onclick = () => leaving.abort();
  while (!leaving.signal.aborted) {
    try {
      await page.run(leaving.signal);
    } catch (error) {
      if (leaving.signal.aborted) break;
      if (!isPassing(error)) {
        api.session.end();
        return problemText(error);
      }
      await waker.sleep(retryMs, leaving.signal);
    }
  }
  await api.logout();
  return "";
}

/** Begins a session without asking, where that can be; returns what to say where it cannot. */
async function enter({ session }: Api): Promise<string | undefined> {
  show("starting");
  const demo = await demoCredentials();
  for (;;) {
    try {
      if (await session.resume()) return undefined;
      if (demo) await session.login(demo);
      return undefined;
    } catch (error) {
      if (isPassing(error)) {
        setText(element("starting"), problemText(error));
        await waker.sleep(retryMs, never);
        continue;
      }
      session.end();
      // A session that has ended is no obstacle to the demonstration's own account.
      if (!demo) return problemText(error);
      try {
        await session.login(demo);
        return undefined;
      } catch (refusal) {
        return problemText(refusal);
      }
    }
  }
}

/** The account of a demonstration, which the page logs in with by itself. */
async function demoCredentials(): Promise<Credentials | undefined> {
  try {
    const response = await fetch("config.json", { cache: "no-store" });
    if (!response.ok) return undefined;
    const { demo } = (await response.json()) as { demo?: Partial<Credentials> };
    if (!demo?.email || !demo.password) return undefined;
    return { operator: demo.operator ?? "", email: demo.email, password: demo.password };
  } catch {
    return undefined;
  }
}

function show(shown: Shown): void {
  document.body.dataset["view"] = shown;
  element("starting").hidden = shown !== "starting";
  element("login-page").hidden = shown !== "login";
  element("map-page").hidden = shown !== "map";
}
