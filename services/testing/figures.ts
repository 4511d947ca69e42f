/** Medians, percentiles and tables. */

/** The middle one. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The smallest value that so many percent of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const index = Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1);
  return sorted[Math.min(index, sorted.length - 1)] ?? Number.NaN;
}

/** Rows under their headings; the first column to the left, all others to the right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(headings), ...rows.map(line)].join("\n");
}

/** `1234.5` → `1,235`. */
export const whole = (value: number): string => Math.round(value).toLocaleString("en");
/** `1.234` → `1.23`. */
export const hundredths = (value: number): string => value.toFixed(2);
/** `1.234` → `1.2`. */
export const tenths = (value: number): string => value.toFixed(1);
