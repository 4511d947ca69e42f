/** What the live map shows: things on its canvases by the colours of the style sheet, and in words. */
import type { Page } from "playwright-core";
import { boundsOf, project, type LatLng, type ScreenPoint } from "../console/projection.js";

/** Where a colour is on a canvas, in CSS pixels from its top left. */
export interface Painted {
  /** How many pixels have it, and which part of the canvas that is. */
  pixels: number;
  share: number;
  /** The rectangle around them. */
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/**
 * Finds the pixels of a colour.
 *
 * @param colour the style sheet's property that names it, as "--map-land"
 * @param tolerance how far each of red, green and blue may be from it: 0 for what is drawn opaque
 */
export function painted(
  page: Page,
  canvas: "ground" | "marks",
  colour: string,
  tolerance = 0,
): Promise<Painted> {
  return page.evaluate(
    (wanted) => {
      const style = getComputedStyle(document.documentElement);
      const sample = new OffscreenCanvas(1, 1).getContext("2d")!;
      sample.fillStyle = style.getPropertyValue(wanted.colour).trim();
      sample.fillRect(0, 0, 1, 1);
      const [red, green, blue] = sample.getImageData(0, 0, 1, 1).data;
      const target = document.querySelector<HTMLCanvasElement>(`#${wanted.canvas}`)!;
      const { width, height } = target;
      // A copy is read, which leaves the page's own canvas as it is.
      const copy = new OffscreenCanvas(width, height).getContext("2d")!;
      copy.drawImage(target, 0, 0);
      const { data } = copy.getImageData(0, 0, width, height);
      const box = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
      let pixels = 0;
      for (let at = 0; at < data.length; at += 4) {
        const off = Math.max(
          Math.abs(data[at]! - red!),
          Math.abs(data[at + 1]! - green!),
          Math.abs(data[at + 2]! - blue!),
          255 - data[at + 3]!,
        );
        if (off > wanted.tolerance) continue;
        pixels += 1;
        const x = ((at / 4) % width) + 0.5;
        const y = Math.floor(at / 4 / width) + 0.5;
        box.left = Math.min(box.left, x);
        box.right = Math.max(box.right, x);
        box.top = Math.min(box.top, y);
        box.bottom = Math.max(box.bottom, y);
      }
      return { pixels, share: pixels / (width * height), ...box };
    },
    { canvas, colour, tolerance },
  );
}

/** Where the edge of the city's service area is drawn: a dashed line that the ground shows through. */
export function paintedArea(page: Page): Promise<Painted> {
  return painted(page, "ground", "--map-area", 45);
}

/** Where the selected driver's mark is drawn: the middle of its ring; undefined when it is not. */
export async function paintedSelection(page: Page): Promise<ScreenPoint | undefined> {
  const { pixels, left, right, top, bottom } = await painted(page, "marks", "--map-selected", 30);
  return pixels > 0 ? { x: (left + right) / 2, y: (top + bottom) / 2 } : undefined;
}

/** Where a point belongs on a canvas that shows the service area at `drawn`. */
export function placeOf(point: LatLng, area: LatLng[], drawn: Painted): ScreenPoint {
  const { min, max } = boundsOf(area.map(project));
  const { x, y } = project(point);
  return {
    x: drawn.left + ((x - min.x) / (max.x - min.x)) * (drawn.right - drawn.left),
    y: drawn.top + ((y - min.y) / (max.y - min.y)) * (drawn.bottom - drawn.top),
  };
}

/** The positions in the driver list, by driver. */
export async function listedPositions(page: Page): Promise<Map<string, string>> {
  const rows = page.locator("#list-rows tr");
  const entries = await rows.evaluateAll((all) =>
    all.map((row): [string, string] => [
      (row as HTMLTableRowElement).dataset["driverId"]!,
      (row as HTMLTableRowElement).cells[3]!.textContent,
    ]),
  );
  return new Map(entries);
}

/** How far two points of the screen are apart. */
export function apart(a: ScreenPoint, b: ScreenPoint): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
