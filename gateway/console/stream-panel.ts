/** Says how the live stream stands. */
import { element, setText } from "./elements.js";
import type { StreamState } from "./follow.js";

export interface StreamPanel {
  setState(state: StreamState): void;
  /** The stream is over, and why. */
  refuse(reason: string): void;
  /** A message came. */
  heard(): void;
}

const texts: Record<StreamState, string> = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
};
/** Younger than this is "now"; saying more would only flicker. */
const freshSeconds = 5;

/** Wires the panel. */
export function createStreamPanel(nowMs: () => number): StreamPanel {
  const panel = element("stream");
  const text = element("stream-text");
  const age = element("stream-age");
  let heardMs: number | undefined;

  const tick = () => {
    const seconds = heardMs === undefined ? 0 : Math.floor((nowMs() - heardMs) / 1000);
    setText(age, seconds < freshSeconds ? "" : `${seconds} s ago`);
  };
  setInterval(tick, 1000);

  return {
    setState: (state) => {
      panel.dataset["state"] = state;
      if (state === "connecting") heardMs = undefined;
      setText(text, texts[state]);
      tick();
    },
    refuse: (reason) => {
      panel.dataset["state"] = "refused";
      setText(text, reason);
    },
    heard: () => {
      heardMs = nowMs();
      tick();
    },
  };
}
