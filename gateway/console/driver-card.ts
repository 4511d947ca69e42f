/** The card of the driver that is selected on the map. */
import { positionText, shortId, stateWord } from "./driver-words.js";
import { element, glyph, setText } from "./elements.js";
import type { Fleet } from "./fleet.js";

export interface DriverCard {
  show(driverId: string | undefined): void;
  /** Brings the card up to date. */
  refresh(): void;
}

/** Wires the card; `onClose` when the person closes it, or the driver has gone. */
export function createDriverCard(fleet: Fleet, onClose: () => void): DriverCard {
  const card = element("driver");
  const mark = element("driver-glyph");
  const state = element("driver-state");
  const id = element("driver-id");
  const trip = element("driver-trip");
  const tripRow = element("driver-trip-row");
  const position = element("driver-position");
  let shownId: string | undefined;

  const refresh = () => {
    const driver = shownId === undefined ? undefined : fleet.get(shownId);
    card.hidden = !driver;
    if (!driver) {
      if (shownId !== undefined) onClose();
      return;
    }
    card.dataset["driverId"] = driver.driverId;
    const kind = driver.busy ? "busy" : "free";
    if (card.dataset["state"] !== kind) {
      card.dataset["state"] = kind;
      mark.replaceChildren(glyph(driver.busy));
    }
    setText(state, stateWord(driver));
    setText(id, shortId(driver.driverId));
    id.title = driver.driverId;
    tripRow.hidden = driver.tripId === "";
    setText(trip, shortId(driver.tripId));
    trip.title = driver.tripId;
    setText(position, positionText(driver));
  };
  element("driver-close").addEventListener("click", onClose);

  return {
    show: (driverId) => {
      shownId = driverId;
      refresh();
    },
    refresh,
  };
}
