/** Draws what does not move: the land, the graticule, the service area, names. */
import type { Cell } from "./cells.js";
import {
  toScreen,
  toWorld,
  unproject,
  project,
  type Bounds,
  type Size,
  type View,
  type WorldPoint,
} from "./projection.js";
import { degreesText, graticuleStep, multiplesWithin } from "./scale.js";
import type { Theme } from "./theme.js";

export interface Ground {
  cells: readonly Cell[];
  districts: readonly { name: string; center: WorldPoint }[];
  /** The service area's corners. */
  area: readonly WorldPoint[];
}

/** How large the disc of a zone is on the screen when its name is shown, in CSS pixels. */
const nameRadiusPixels = 34;
const fontFamily = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Draws the ground on a canvas whose unit is the CSS pixel. */
export function paintGround(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  ground: Ground,
): void {
  context.fillStyle = theme.water;
  context.fillRect(0, 0, size.width, size.height);
  const shown = visible(ground.cells, view, size);
  paintCells(context, view, size, theme, shown);
  paintGraticule(context, view, size, theme);
  paintArea(context, view, size, theme, ground.area);
  paintNames(context, view, size, theme, ground, shown);
}

function visible(cells: readonly Cell[], view: View, size: Size): Cell[] {
  const { min, max } = shownBounds(view, size);
  return cells.filter(
    ({ center, radius, outline }) =>
      outline.length > 2 &&
      center.x + 2 * radius > min.x &&
      center.x - 2 * radius < max.x &&
      center.y + 2 * radius > min.y &&
      center.y - 2 * radius < max.y,
  );
}

function shownBounds(view: View, size: Size): Bounds {
  return {
    min: toWorld(view, size, { x: 0, y: 0 }),
    max: toWorld(view, size, { x: size.width, y: size.height }),
  };
}

function paintCells(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  cells: readonly Cell[],
): void {
  context.beginPath();
  for (const { outline } of cells) trace(context, outline, view, size);
  context.fillStyle = theme.land;
  context.strokeStyle = theme.landEdge;
  context.lineWidth = 1;
  context.lineJoin = "round";
  context.fill();
  context.stroke();
}

function paintGraticule(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
): void {
  const { min, max } = shownBounds(view, size);
  const northWest = unproject(min);
  const southEast = unproject(max);
  const step = graticuleStep(view.worldPixels / 360, 90);
  context.strokeStyle = theme.grid;
  context.fillStyle = theme.gridText;
  context.lineWidth = 1;
  context.font = `10.5px ${fontFamily}`;
  context.textBaseline = "bottom";
  context.beginPath();
  for (const lng of multiplesWithin(northWest.lng, southEast.lng, step)) {
    const x = crisp(toScreen(view, size, project({ lat: 0, lng })).x);
    context.moveTo(x, 0);
    context.lineTo(x, size.height);
  }
  for (const lat of multiplesWithin(southEast.lat, northWest.lat, step)) {
    const y = crisp(toScreen(view, size, project({ lat, lng: 0 })).y);
    context.moveTo(0, y);
    context.lineTo(size.width, y);
  }
  context.stroke();
  context.textAlign = "left";
  for (const lng of multiplesWithin(northWest.lng, southEast.lng, step)) {
    const { x } = toScreen(view, size, project({ lat: 0, lng }));
    // The corners belong to the panels.
    if (x > 130 && x < size.width - 330) {
      context.fillText(degreesText(lng, "E", "W"), x + 4, size.height - 4);
    }
  }
  for (const lat of multiplesWithin(southEast.lat, northWest.lat, step)) {
    const { y } = toScreen(view, size, project({ lat, lng: 0 }));
    if (y > 230 && y < size.height - 60) context.fillText(degreesText(lat, "N", "S"), 5, y - 3);
  }
}

function paintArea(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  area: readonly WorldPoint[],
): void {
  if (area.length === 0) return;
  context.beginPath();
  trace(context, area, view, size);
  context.rect(0, 0, size.width, size.height);
  context.fillStyle = theme.outside;
  context.fill("evenodd");
  context.beginPath();
  trace(context, area, view, size);
  context.strokeStyle = theme.area;
  context.lineJoin = "round";
  context.globalAlpha = 0.16;
  context.lineWidth = 7;
  context.stroke();
  context.globalAlpha = 0.85;
  context.lineWidth = 1.5;
  context.setLineDash([7, 5]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** Names of districts, and of the zones that are large enough; none of them over another. */
function paintNames(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  { districts }: Ground,
  cells: readonly Cell[],
): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = theme.labelHalo;
  context.fillStyle = theme.label;
  const taken: { left: number; right: number; top: number; bottom: number }[] = [];
  const write = (lines: string[], at: WorldPoint, lineHeight: number) => {
    const { x, y } = toScreen(view, size, at);
    const half = Math.max(...lines.map((line) => context.measureText(line).width)) / 2 + 3;
    const tall = (lines.length * lineHeight) / 2 + 1;
    const box = { left: x - half, right: x + half, top: y - tall, bottom: y + tall };
    const overlaps = taken.some(
      ({ left, right, top, bottom }) =>
        left < box.right && right > box.left && top < box.bottom && bottom > box.top,
    );
    if (overlaps) return;
    taken.push(box);
    lines.forEach((line, index) => {
      const down = (index - (lines.length - 1) / 2) * lineHeight;
      context.strokeText(line, x, y + down);
      context.fillText(line, x, y + down);
    });
  };

  const named = cells.filter(({ radius }) => radius * view.worldPixels >= nameRadiusPixels);
  // Names of districts give way to those of their zones.
  if (named.length * 3 < cells.length) {
    context.font = `600 13px ${fontFamily}`;
    if ("letterSpacing" in context) context.letterSpacing = "0.14em";
    for (const { name, center } of districts) write([name.toUpperCase()], center, 16);
    if ("letterSpacing" in context) context.letterSpacing = "0px";
  }
  context.font = `11px ${fontFamily}`;
  for (const { name, center, radius } of named) {
    const room = radius * view.worldPixels * 2.2;
    write(
      wrap(name, (text) => context.measureText(text).width <= room),
      center,
      13,
    );
  }
}

/** Breaks a name between its words, so that as many of its lines as can be fit. */
function wrap(name: string, fits: (text: string) => boolean): string[] {
  const lines: string[] = [];
  for (const word of name.split(/(?<=\/)|\s+/)) {
    const last = lines.at(-1);
    const joined = last?.endsWith("/") ? last + word : `${last} ${word}`;
    if (last !== undefined && fits(joined)) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

function trace(
  context: CanvasRenderingContext2D,
  outline: readonly WorldPoint[],
  view: View,
  size: Size,
): void {
  outline.forEach((point, index) => {
    const { x, y } = toScreen(view, size, point);
    if (index === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  });
  context.closePath();
}

/** Lines of one pixel are sharp in the middle of pixels. */
function crisp(pixels: number): number {
  return Math.floor(pixels) + 0.5;
}
