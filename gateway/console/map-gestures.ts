/** Pointer, wheel and keyboard of the map, told as what the person wants. */
import type { ScreenPoint } from "./projection.js";

export interface Gestures {
  /** Moved by so many pixels. */
  pan(dx: number, dy: number): void;
  /** Moved by a key, in steps: to the right is 1, 0. */
  step(right: number, down: number): void;
  /** Enlarged at a point, at once. */
  zoom(factor: number, anchor: ScreenPoint): void;
  /** Enlarged by a step, in the middle or at a point. */
  zoomStep(factor: number, anchor?: ScreenPoint): void;
  home(): void;
  click(point: ScreenPoint, touch: boolean): void;
  hover(point: ScreenPoint | undefined): void;
  escape(): void;
}

const keyZoom = 1.6;
/** A pointer that moved less than this has clicked. */
const clickSlopPixels = 5;

/** Listens on the map's element, which must be focusable. */
export function listenForGestures(element: HTMLElement, gestures: Gestures): void {
  const pointers = new Map<number, ScreenPoint>();
  let travelled = 0;

  const locate = (event: MouseEvent): ScreenPoint => {
    const { left, top } = element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, locate(event));
    travelled = pointers.size > 1 ? Infinity : 0;
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = locate(event);
    if (!before) {
      gestures.hover(now);
      return;
    }
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (travelled < clickSlopPixels) return;
    element.classList.add("panning");
    if (!other) {
      gestures.pan(now.x - before.x, now.y - before.y);
      return;
    }
    // Of two fingers, each moves the map by half of its own way.
    gestures.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(now.x - other.x, now.y - other.y);
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    if (was > 0 && is > 0) gestures.zoom(is / was, middle);
  });
  const lift = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size > 0) return;
    element.classList.remove("panning");
    if (event.type === "pointerup" && travelled < clickSlopPixels) {
      gestures.click(locate(event), event.pointerType === "touch");
    }
  };
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
  element.addEventListener("pointerleave", () => gestures.hover(undefined));

  element.addEventListener("dblclick", (event) => gestures.zoomStep(2, locate(event)));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 24;
      // Trackpads report a pinch as a wheel with the control key, in small numbers.
      const speed = event.ctrlKey ? 0.012 : 0.0018;
      gestures.zoom(Math.exp(-event.deltaY * lines * speed), locate(event));
    },
    { passive: false },
  );

  const keys: Record<string, () => void> = {
    ArrowLeft: () => gestures.step(-1, 0),
    ArrowRight: () => gestures.step(1, 0),
    ArrowUp: () => gestures.step(0, -1),
    ArrowDown: () => gestures.step(0, 1),
    "+": () => gestures.zoomStep(keyZoom),
    "=": () => gestures.zoomStep(keyZoom),
    "-": () => gestures.zoomStep(1 / keyZoom),
    _: () => gestures.zoomStep(1 / keyZoom),
    "0": () => gestures.home(),
    Home: () => gestures.home(),
    Escape: () => gestures.escape(),
  };
  element.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}
