/** The colours of the canvas, which the style sheet decides. */

const names = {
  water: "--map-water",
  land: "--map-land",
  landEdge: "--map-land-edge",
  outside: "--map-outside",
  area: "--map-area",
  grid: "--map-grid",
  gridText: "--map-grid-text",
  label: "--map-label",
  labelHalo: "--map-label-halo",
  free: "--map-free",
  busy: "--map-busy",
  markEdge: "--map-mark-edge",
  selected: "--map-selected",
} as const;

export type Theme = Record<keyof typeof names, string>;

/** Reads the colours as they are now; read them again when the colour scheme changes. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(
    Object.entries(names).map(([key, name]) => [key, style.getPropertyValue(name).trim()]),
  ) as Theme;
}
