/** Round numbers for lines and bars on the map. Pure. */

/** A bar that is so many pixels long and stands for a round distance. */
export interface ScaleBar {
  meters: number;
  pixels: number;
  text: string;
}

/** The longest bar of a round length that fits. */
export function scaleBar(metersPerPixel: number, maxPixels: number): ScaleBar {
  const meters = roundDown(metersPerPixel * maxPixels);
  const text = meters >= 1000 ? `${meters / 1000} km` : `${meters} m`;
  return { meters, pixels: meters / metersPerPixel, text };
}

/** 1, 2 or 5 times a power of ten, not above the value. */
function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [5, 2, 1].find((digit) => digit * power <= value) ?? 1;
  // Powers below one are not exact in binary; the product of both is, to 12 digits.
  return Number((factor * power).toPrecision(12));
}

/** Steps of a graticule, in degrees. */
const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** The step in degrees whose lines are at least `minPixels` apart. */
export function graticuleStep(pixelsPerDegree: number, minPixels: number): number {
  return steps.find((step) => step * pixelsPerDegree >= minPixels) ?? steps.at(-1)!;
}

/** The multiples of a step within a range, without the rounding errors of adding it up. */
export function multiplesWithin(min: number, max: number, step: number): number[] {
  const first = Math.ceil(min / step);
  const last = Math.floor(max / step);
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) =>
    Number(((first + index) * step).toFixed(digits)),
  );
}

/** A line's degrees as people write them: "40.75° N", "73.9° W". */
export function degreesText(degrees: number, positive: string, negative: string): string {
  const side = degrees === 0 ? "" : ` ${degrees > 0 ? positive : negative}`;
  return `${Math.abs(degrees)}°${side}`;
}
