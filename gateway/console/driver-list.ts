/** The drivers as a table, for whoever cannot or would rather not read the map. */
import { listed, positionText, shortId, stateWord, type ListFilter } from "./driver-words.js";
import { element, glyph, setText } from "./elements.js";
import type { Driver, Fleet } from "./fleet.js";

export interface DriverList {
  /** Fills the table, if it is shown. */
  refresh(): void;
  select(driverId: string | undefined): void;
}

/** More rows would slow the page down. */
const maxRows = 500;
const refreshMs = 2000;

interface Row {
  row: HTMLTableRowElement;
  state: HTMLTableCellElement;
  trip: HTMLTableCellElement;
  position: HTMLTableCellElement;
  busy: boolean | undefined;
}

/** Wires the table and the button that shows it. */
export function createDriverList(fleet: Fleet, onChoose: (driverId: string) => void): DriverList {
  const toggle = element("list-toggle");
  const panel = element("list");
  const body = element("list-rows");
  const filter = element("list-filter", HTMLSelectElement);
  const note = element("list-note");
  const page = element("map-page");
  const rows = new Map<string, Row>();
  let selected: string | undefined;

  const rowOf = (driver: Driver): Row => {
    const known = rows.get(driver.driverId);
    if (known) return known;
    const row = document.createElement("tr");
    row.dataset["driverId"] = driver.driverId;
    const name = document.createElement("th");
    name.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = shortId(driver.driverId);
    button.title = `Show driver ${driver.driverId} on the map`;
    button.addEventListener("click", () => onChoose(driver.driverId));
    name.append(button);
    row.append(name);
    const made: Row = {
      row,
      state: row.insertCell(),
      trip: row.insertCell(),
      position: row.insertCell(),
      busy: undefined,
    };
    rows.set(driver.driverId, made);
    return made;
  };
  const fill = (driver: Driver): HTMLTableRowElement => {
    const entry = rowOf(driver);
    if (entry.busy !== driver.busy) {
      entry.busy = driver.busy;
      entry.row.dataset["state"] = driver.busy ? "busy" : "free";
      entry.state.replaceChildren(glyph(driver.busy), stateWord(driver));
    }
    setText(entry.trip, driver.tripId ? shortId(driver.tripId) : "–");
    entry.trip.title = driver.tripId;
    setText(entry.position, positionText(driver));
    if (driver.driverId === selected) entry.row.setAttribute("aria-current", "true");
    else entry.row.removeAttribute("aria-current");
    return entry.row;
  };
  const refresh = () => {
    if (panel.hidden) return;
    const all = listed(fleet.drivers(), filter.value as ListFilter);
    const shown = all.slice(0, maxRows);
    const wanted = shown.map(fill);
    const keep = new Set(shown.map(({ driverId }) => driverId));
    for (const [driverId, { row }] of rows) {
      if (keep.has(driverId)) continue;
      row.remove();
      rows.delete(driverId);
    }
    // Rows are moved only where the order has changed, so that the focus stays where it is.
    wanted.forEach((row, index) => {
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    });
    const left = all.length - shown.length;
    setText(
      note,
      all.length === 0 ? "There are no such drivers now." : left > 0 ? `And ${left} more.` : "",
    );
  };
  const show = (open: boolean) => {
    panel.hidden = !open;
    page.classList.toggle("list-open", open);
    toggle.setAttribute("aria-expanded", String(open));
    refresh();
    if (open) filter.focus();
    else toggle.focus();
  };

  toggle.addEventListener("click", () => show(panel.hidden !== false));
  element("list-close").addEventListener("click", () => show(false));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(false);
  });
  filter.addEventListener("change", refresh);
  setInterval(refresh, refreshMs);

  return {
    refresh,
    select: (driverId) => {
      selected = driverId;
      refresh();
    },
  };
}
