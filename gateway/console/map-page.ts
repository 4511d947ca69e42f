/** The map page: one city of an operator, live. */
import type { City } from "../../gen/es/ridemesh/city/v1/city_pb.js";
import type { WatchMapResponse } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import type { Api } from "./api.js";
import { createBackground } from "./background.js";
import { createClockPanel } from "./clock-panel.js";
import { createDriverCard } from "./driver-card.js";
import { createDriverList } from "./driver-list.js";
import { element, setText } from "./elements.js";
import { createFleet, type DriverReport } from "./fleet.js";
import { follow } from "./follow.js";
import { createMapView } from "./map-view.js";
import { project, type Insets } from "./projection.js";
import { scaleBar } from "./scale.js";
import { createStreamPanel } from "./stream-panel.js";
import type { Waker } from "./waker.js";

export interface MapPage {
  /**
   * Shows the operator's cities until `signal` aborts. Rejects with a ConnectError when the platform
   * refuses: the session has ended, or the account may not see the map.
   */
  run(signal: AbortSignal): Promise<void>;
}

const silenceMs = 90_000;

/** Wires the page; it shows nothing before it is run. */
export function createMapPage(api: Api, waker: Waker): MapPage {
  const nowMs = () => performance.now();
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  const still = () => reducedMotion.matches;
  const root = element("map");
  const freeCount = element("free-count");
  const busyCount = element("busy-count");
  const cityChoice = element("city", HTMLSelectElement);
  const scaleShown = createScale();

  const fleet = createFleet(nowMs, { still });
  const clock = createClockPanel(api.city, nowMs);
  const stream = createStreamPanel(nowMs);
  const select = (driverId: string | undefined) => {
    map.select(driverId);
    card.show(driverId);
    list.select(driverId);
  };
  const map = createMapView({
    element: root,
    ground: element("ground", HTMLCanvasElement),
    marks: element("marks", HTMLCanvasElement),
    fleet,
    background: createBackground(),
    insets: freeOfPanels,
    onSelect: select,
    onScale: scaleShown,
    still,
    nowMs,
  });
  const card = createDriverCard(fleet, () => select(undefined));
  const list = createDriverList(fleet, (driverId) => {
    select(driverId);
    map.goTo(driverId);
  });
  element("zoom-in").addEventListener("click", () => map.zoomStep(1.6));
  element("zoom-out").addEventListener("click", () => map.zoomStep(1 / 1.6));
  element("zoom-home").addEventListener("click", () => map.home());

  const showCounts = (known: boolean) => {
    const { free, busy } = fleet.counts();
    for (const [target, count] of [
      [freeCount, free],
      [busyCount, busy],
    ] as const) {
      target.dataset["value"] = known ? String(count) : "";
      setText(target, known ? String(count) : "–");
    }
    root.dataset["drivers"] = String(free + busy);
  };
  const take = (message: WatchMapResponse, first: boolean) => {
    const { goneDriverIds } = message;
    fleet.apply({ drivers: message.drivers.flatMap(reportOf), goneDriverIds }, first);
    stream.heard();
    showCounts(true);
    card.refresh();
    map.refresh();
    if (first) list.refresh();
  };
  const showCity = async (city: City, signal: AbortSignal): Promise<void> => {
    fleet.clear();
    select(undefined);
    list.refresh();
    showCounts(false);
    map.showArea(city.serviceArea.map(project));
    clock.setTimeZone(city.timeZone);
    root.setAttribute("aria-label", `Map of the drivers in ${city.name}`);
    document.body.dataset["city"] = city.cityId;
    document.title = `${city.name} · Live map · Ridemesh`;
    await follow(
      {
        open: (streamSignal, onOpen) =>
          api.location.watchMap(
            { cityId: city.cityId },
            // A stream has no deadline.
            { signal: streamSignal, timeoutMs: 0, onHeader: onOpen },
          ),
        onMessage: take,
        onState: stream.setState,
        renew: () => api.session.renew(),
        sleep: waker.sleep,
        random: Math.random,
        silenceMs,
      },
      signal,
    );
  };

  return {
    run: async (signal) => {
      clock.ask();
      const { cities } = await api.city.listCities(
        { operator: api.session.operator() },
        { signal },
      );
      if (cities.length === 0) {
        stream.refuse("The operator serves no city");
        return untilAborted(signal);
      }
      cityChoice.replaceChildren(
        ...cities.map(({ cityId, name }) => new Option(name || cityId, cityId)),
      );
      cityChoice.disabled = cities.length === 1;
      const asked = new URLSearchParams(location.search).get("city");
      let city = cities.find(({ cityId }) => cityId === asked) ?? cities[0]!;
      cityChoice.value = city.cityId;
      while (!signal.aborted) {
        const change = new AbortController();
        const leave = () => change.abort();
        signal.addEventListener("abort", leave);
        cityChoice.onchange = leave;
        try {
          await showCity(city, change.signal);
        } finally {
          signal.removeEventListener("abort", leave);
        }
        city = cities.find(({ cityId }) => cityId === cityChoice.value) ?? city;
        const url = new URL(location.href);
        url.searchParams.set("city", city.cityId);
        if (!signal.aborted) history.replaceState(null, "", url);
      }
    },
  };
}

function reportOf(driver: WatchMapResponse["drivers"][number]): DriverReport[] {
  const { driverId, point, busy, tripId, headingDegrees } = driver;
  if (!point) return [];
  return [{ driverId, point: { lat: point.lat, lng: point.lng }, busy, tripId, headingDegrees }];
}

/** The parts of the map that panels cover, so that a city is shown beside them. */
function freeOfPanels(): Insets {
  const { clientWidth, clientHeight } = element("map");
  const listed = !element("list").hidden;
  if (clientWidth <= 760) {
    return { top: 180, right: 14, bottom: listed ? clientHeight * 0.52 + 70 : 90, left: 14 };
  }
  return { top: 28, right: listed && clientWidth > 1000 ? 500 : 28, bottom: 40, left: 292 };
}

function createScale(): (metersPerPixel: number) => void {
  const text = element("scale-text");
  const bar = element("scale-bar");
  return (metersPerPixel) => {
    const { pixels, text: words } = scaleBar(metersPerPixel, 96);
    bar.style.width = `${pixels.toFixed(1)}px`;
    setText(text, words);
    element("map").dataset["metersPerPixel"] = metersPerPixel.toFixed(3);
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
