/** Draws the drivers: free ones as discs, busy ones as arrows with a trail. */
import { fadeMs, type Driver, type Fleet } from "./fleet.js";
import { headingAt, positionAt } from "./motion.js";
import { clamp, toScreen, type ScreenPoint, type Size, type View } from "./projection.js";
import type { Theme } from "./theme.js";

/** Draws the fleet on an empty canvas whose unit is the CSS pixel. */
export function paintMarks(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  fleet: Fleet,
  selectedId: string | undefined,
  nowMs: number,
): void {
  context.clearRect(0, 0, size.width, size.height);
  const scale = markScale(view);
  const shown: { driver: Driver; at: ScreenPoint; presence: number }[] = [];
  const add = (driver: Driver, presence: number) => {
    const at = toScreen(view, size, positionAt(driver.track, nowMs));
    if (at.x < -40 || at.y < -40 || at.x > size.width + 40 || at.y > size.height + 40) return;
    shown.push({ driver, at, presence });
  };
  for (const { driver, leaveMs } of fleet.leaving()) {
    add(driver, 1 - clamp((nowMs - leaveMs) / fadeMs, 0, 1));
  }
  for (const driver of fleet.drivers()) {
    add(driver, clamp((nowMs - driver.appearMs) / fadeMs, 0, 1));
  }
  // The busy ones lie on top: they move, and there is more to see in them.
  shown.sort((a, b) => Number(a.driver.busy) - Number(b.driver.busy));

  for (const { driver, at } of shown) paintTrail(context, view, size, theme, driver, at, scale);
  for (const { driver, at, presence } of shown) {
    context.globalAlpha = presence;
    if (driver.driverId === selectedId) paintRing(context, theme, at, scale);
    const drawn = scale * (0.5 + presence / 2);
    if (driver.busy) paintArrow(context, theme, at, drawn, headingAt(driver.track, nowMs));
    else paintDisc(context, theme, at, drawn);
  }
  context.globalAlpha = 1;
}

/** Marks grow a little as the map is enlarged. */
export function markScale(view: View): number {
  return clamp(0.8 + (Math.log2(view.worldPixels) - 17) * 0.14, 0.8, 1.7);
}

/** The driver whose mark is nearest to a point of the screen, within reach of a finger. */
export function driverAt(
  fleet: Fleet,
  view: View,
  size: Size,
  point: ScreenPoint,
  nowMs: number,
  reachPixels: number,
): Driver | undefined {
  let nearest: Driver | undefined;
  let shortest = reachPixels;
  for (const driver of fleet.drivers()) {
    const at = toScreen(view, size, positionAt(driver.track, nowMs));
    const distance = Math.hypot(at.x - point.x, at.y - point.y);
    if (distance <= shortest) {
      nearest = driver;
      shortest = distance;
    }
  }
  return nearest;
}

function paintDisc(
  context: CanvasRenderingContext2D,
  theme: Theme,
  at: ScreenPoint,
  scale: number,
): void {
  context.beginPath();
  context.arc(at.x, at.y, 4.6 * scale, 0, 2 * Math.PI);
  context.fillStyle = theme.free;
  context.strokeStyle = theme.markEdge;
  context.lineWidth = 1.5;
  context.fill();
  context.stroke();
}

function paintArrow(
  context: CanvasRenderingContext2D,
  theme: Theme,
  at: ScreenPoint,
  scale: number,
  headingDegrees: number,
): void {
  context.save();
  context.translate(at.x, at.y);
  context.rotate((headingDegrees * Math.PI) / 180);
  context.scale(scale, scale);
  context.beginPath();
  context.moveTo(0, -7.8);
  context.lineTo(6, 6.4);
  context.lineTo(0, 3.3);
  context.lineTo(-6, 6.4);
  context.closePath();
  context.fillStyle = theme.busy;
  context.strokeStyle = theme.markEdge;
  context.lineJoin = "round";
  context.lineWidth = 1.5 / scale;
  context.fill();
  context.stroke();
  context.restore();
}

function paintRing(
  context: CanvasRenderingContext2D,
  theme: Theme,
  at: ScreenPoint,
  scale: number,
): void {
  context.beginPath();
  context.arc(at.x, at.y, 12 * scale, 0, 2 * Math.PI);
  context.strokeStyle = theme.selected;
  context.lineWidth = 2.5;
  context.stroke();
}

/** The way that a driver came on this trip, fainter the longer ago. */
function paintTrail(
  context: CanvasRenderingContext2D,
  view: View,
  size: Size,
  theme: Theme,
  { track }: Driver,
  at: ScreenPoint,
  scale: number,
): void {
  if (track.trail.length === 0) return;
  const points = [...track.trail.map((point) => toScreen(view, size, point)), at];
  context.strokeStyle = theme.busy;
  context.lineCap = "round";
  context.lineWidth = 2.2 * scale;
  for (let index = 1; index < points.length; index++) {
    context.globalAlpha = (0.5 * index) / points.length;
    context.beginPath();
    context.moveTo(points[index - 1]!.x, points[index - 1]!.y);
    context.lineTo(points[index]!.x, points[index]!.y);
    context.stroke();
  }
  context.globalAlpha = 1;
}
