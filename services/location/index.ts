/**
 * The embedded GeoIndex: a fixed grid of 250 m cells, in this process. Adding, moving and removing
 * cost the same however many drivers there are; a search looks at the cells around its point, in
 * growing circles, until no unseen cell can hold a nearer driver.
 *
 * Rows are bands of latitude. Each is cut into as many columns as make its cells about 250 m wide, so
 * that cells are alike at every latitude and columns close around the antimeridian. Distances are
 * chords between unit vectors, which order as great circles do and need no trigonometry a driver.
 */
import { earthRadiusMeters, type GeoPoint } from "../runtime/geo.js";
import type { FoundDriver, GeoIndex, IndexedDriver, NearestQuery } from "./geo-index.js";

const cellMeters = 250;
const radians = Math.PI / 180;
const rowDegrees = cellMeters / (earthRadiusMeters * radians);
const rowCount = Math.ceil(180 / rowDegrees);
/** Makes up for rounding at the border of a circle, in degrees (0.1 mm). */
const margin = 1e-9;
/** Looking a cell up costs about as much as looking at so many drivers. */
const driversPerLookup = 3;

/** A cell's drivers, and beside them their unit vectors: x, y, z of the first, of the second, … */
interface Cell {
  entries: Entry[];
  vectors: number[];
}

interface Entry {
  driver: IndexedDriver;
  row: number;
  column: number;
  /** The entry's place in its cell's list. */
  slot: number;
}

/** The drivers of one tenant; cells by row and column, those with nobody left out. */
interface Grid {
  byDriver: Map<string, Entry>;
  rows: Map<number, Map<number, Cell>>;
}

/** An empty index. */
export function createGridIndex(): GeoIndex {
  const columns = columnCounts();
  const grids = new Map<string, Grid>();
  return {
    put: (tenantId, driver) => {
      let grid = grids.get(tenantId);
      if (!grid) grids.set(tenantId, (grid = { byDriver: new Map(), rows: new Map() }));
      put(grid, columns, driver);
    },
    remove: (tenantId, driverId) => {
      const grid = grids.get(tenantId);
      const entry = grid?.byDriver.get(driverId);
      if (!grid || !entry) return;
      leaveCell(grid, entry);
      grid.byDriver.delete(driverId);
    },
    nearest: (tenantId, query) => {
      const grid = grids.get(tenantId);
      return grid && query.limit > 0 ? nearest(grid, columns, query) : [];
    },
  };
}

/** How many columns each row has. */
function columnCounts(): Int32Array {
  return Int32Array.from({ length: rowCount }, (_, row) => {
    const lat = Math.min(90, (row + 0.5) * rowDegrees - 90 + rowDegrees / 2);
    return Math.max(1, Math.floor((360 / rowDegrees) * Math.cos(lat * radians)));
  });
}

function rowOf(lat: number): number {
  return Math.min(rowCount - 1, Math.max(0, Math.floor((lat + 90) / rowDegrees)));
}

/** The column of a longitude, counted on beyond the row's ends when it lies beyond ±180°. */
function columnOf(lng: number, count: number): number {
  return Math.floor(((lng + 180) / 360) * count);
}

function put(grid: Grid, columns: Int32Array, driver: IndexedDriver): void {
  const row = rowOf(driver.lat);
  const count = columns[row]!;
  const column = columnOf(driver.lng, count) % count;
  let entry = grid.byDriver.get(driver.driverId);
  if (!entry) {
    entry = { driver, row: -1, column: -1, slot: -1 };
    grid.byDriver.set(driver.driverId, entry);
  }
  entry.driver = driver;
  if (entry.row !== row || entry.column !== column) {
    leaveCell(grid, entry);
    enterCell(grid, entry, row, column);
  }
  const { vectors } = grid.rows.get(row)!.get(column)!;
  const cosLat = Math.cos(driver.lat * radians);
  vectors[entry.slot * 3] = cosLat * Math.cos(driver.lng * radians);
  vectors[entry.slot * 3 + 1] = cosLat * Math.sin(driver.lng * radians);
  vectors[entry.slot * 3 + 2] = Math.sin(driver.lat * radians);
}

function enterCell(grid: Grid, entry: Entry, row: number, column: number): void {
  let inRow = grid.rows.get(row);
  if (!inRow) grid.rows.set(row, (inRow = new Map<number, Cell>()));
  let cell = inRow.get(column);
  if (!cell) inRow.set(column, (cell = { entries: [], vectors: [] }));
  entry.row = row;
  entry.column = column;
  entry.slot = cell.entries.length;
  cell.entries.push(entry);
}

/** The last entry of the cell takes the place that becomes free. */
function leaveCell(grid: Grid, entry: Entry): void {
  const inRow = grid.rows.get(entry.row);
  const cell = inRow?.get(entry.column);
  if (!inRow || !cell) return;
  const { entries, vectors } = cell;
  const last = entries.pop()!;
  if (last !== entry) {
    for (let i = 0; i < 3; i += 1) vectors[entry.slot * 3 + i] = vectors[entries.length * 3 + i]!;
    entries[entry.slot] = last;
    last.slot = entry.slot;
  }
  vectors.length = entries.length * 3;
  if (entries.length > 0) return;
  inRow.delete(entry.column);
  if (inRow.size === 0) grid.rows.delete(entry.row);
}

function nearest(grid: Grid, columns: Int32Array, query: NearestQuery): FoundDriver[] {
  const { point, radiusMeters } = query;
  const best = newBest(query);
  for (let seen = 0, radius = Math.min(cellMeters, radiusMeters); ;) {
    if ((radius / cellMeters) ** 2 * 4 * driversPerLookup > grid.byDriver.size) {
      // More cells than drivers: looking at each driver once is less.
      const all = newBest(query);
      for (const row of grid.rows.values()) for (const cell of row.values()) offer(all, cell);
      return found(all);
    }
    scanCircle(grid, columns, point, seen, radius, best);
    if (radius >= radiusMeters || isFullWithin(best, radius)) return found(best);
    seen = radius;
    radius = Math.min(radius * 2, radiusMeters);
  }
}

/** Looks at the cells of the box around the circle that the box around the smaller one does not have. */
function scanCircle(
  grid: Grid,
  columns: Int32Array,
  { lat, lng }: GeoPoint,
  seenMeters: number,
  radiusMeters: number,
  best: Best,
): void {
  const box = boxOf(lat, radiusMeters);
  const seen = seenMeters > 0 ? boxOf(lat, seenMeters) : undefined;
  for (let row = box.firstRow; row <= box.lastRow; row += 1) {
    const inRow = grid.rows.get(row);
    if (!inRow) continue;
    const count = columns[row]!;
    let from = columnOf(lng - box.halfWidth, count);
    let to = columnOf(lng + box.halfWidth, count);
    if (seen && row >= seen.firstRow && row <= seen.lastRow) {
      const seenFrom = columnOf(lng - seen.halfWidth, count);
      const seenTo = columnOf(lng + seen.halfWidth, count);
      if (seenTo - seenFrom + 1 >= count) continue;
      // All around the row: what is left lies east of what was seen, up to its western end.
      if (to - from + 1 >= count) [from, to] = [seenFrom, seenFrom + count - 1];
      scanRow(inRow, count, from, seenFrom - 1, best);
      scanRow(inRow, count, seenTo + 1, to, best);
    } else {
      if (to - from + 1 >= count) [from, to] = [0, count - 1];
      scanRow(inRow, count, from, to, best);
    }
  }
}

function scanRow(
  inRow: Map<number, Cell>,
  count: number,
  from: number,
  to: number,
  best: Best,
): void {
  for (let column = from; column <= to; column += 1) {
    const wrapped = column < 0 ? column + count : column >= count ? column - count : column;
    const cell = inRow.get(wrapped);
    if (cell) offer(best, cell);
  }
}

/** The rows of a circle, and half its width in degrees: 180 when it holds a pole. */
function boxOf(lat: number, radiusMeters: number) {
  const angle = radiusMeters / earthRadiusMeters;
  const halfHeight = angle / radians + margin;
  const latRadians = Math.abs(lat) * radians;
  const holdsPole = latRadians + angle >= Math.PI / 2;
  return {
    firstRow: rowOf(lat - halfHeight),
    lastRow: rowOf(lat + halfHeight),
    halfWidth: holdsPole
      ? 180
      : Math.asin(Math.sin(angle) / Math.cos(latRadians)) / radians + margin,
  };
}

/** The nearest drivers found so far that fit a query. Data only: a search makes no functions. */
interface Best {
  query: NearestQuery;
  /** Unit vector of the query's point. */
  x: number;
  y: number;
  z: number;
  drivers: IndexedDriver[];
  /** Squared chords to them, ascending. */
  chords: number[];
  /** Beyond this squared chord a driver is too far, or worse than those kept. */
  worst: number;
}

function newBest(query: NearestQuery): Best {
  const { lat, lng } = query.point;
  const cosLat = Math.cos(lat * radians);
  return {
    query,
    x: cosLat * Math.cos(lng * radians),
    y: cosLat * Math.sin(lng * radians),
    z: Math.sin(lat * radians),
    drivers: [],
    chords: [],
    worst: squaredChord(query.radiusMeters),
  };
}

/** Takes the drivers of a cell that are near enough and fit. */
function offer(best: Best, { entries, vectors }: Cell): void {
  const { x, y, z, query } = best;
  for (let i = 0, v = 0; i < entries.length; i += 1, v += 3) {
    const dx = vectors[v]! - x;
    const dy = vectors[v + 1]! - y;
    const dz = vectors[v + 2]! - z;
    const chord = dx * dx + dy * dy + dz * dz;
    if (chord > best.worst) continue;
    const { driver } = entries[i]!;
    if (fits(driver, query)) keep(best, driver, chord);
  }
}

function fits(driver: IndexedDriver, { cityId, vehicleClass, seenSinceMs }: NearestQuery): boolean {
  return (
    driver.timeMs >= seenSinceMs &&
    (cityId === undefined || driver.cityId === cityId) &&
    (vehicleClass === undefined || driver.vehicleClass === vehicleClass)
  );
}

/** Puts a driver in his place by distance; of more than the limit the furthest falls out. */
function keep(best: Best, driver: IndexedDriver, chord: number): void {
  const { drivers, chords } = best;
  const { limit } = best.query;
  let at = drivers.length;
  while (at > 0 && chords[at - 1]! > chord) at -= 1;
  if (at === limit) return;
  const kept = Math.min(limit, drivers.length + 1);
  for (let i = kept - 1; i > at; i -= 1) {
    drivers[i] = drivers[i - 1]!;
    chords[i] = chords[i - 1]!;
  }
  drivers[at] = driver;
  chords[at] = chord;
  if (kept === limit) best.worst = chords[limit - 1]!;
}

/** Whether nothing outside this radius can change the result. */
function isFullWithin(best: Best, radiusMeters: number): boolean {
  return best.drivers.length === best.query.limit && best.worst <= squaredChord(radiusMeters);
}

function found({ drivers, chords }: Best): FoundDriver[] {
  return drivers.map((driver, i) => ({
    driver,
    distanceMeters: 2 * earthRadiusMeters * Math.asin(Math.min(1, Math.sqrt(chords[i]!) / 2)),
  }));
}

function squaredChord(meters: number): number {
  return (2 * Math.sin(Math.min(Math.PI / 2, meters / (2 * earthRadiusMeters)))) ** 2;
}
