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
/** More than any row has columns: with it, row and column make one number. */
const columnLimit = 2 ** 18;
/** Makes up for rounding at the border of a circle, in degrees (0.1 mm). */
const margin = 1e-9;

interface Entry {
  driver: IndexedDriver;
  /** Unit vector of the position. */
  x: number;
  y: number;
  z: number;
  cell: number;
  /** The entry's place in its cell's list. */
  slot: number;
}

/** The drivers of one tenant. */
interface Grid {
  byDriver: Map<string, Entry>;
  cells: Map<number, Entry[]>;
}

/** An empty index. */
export function createGridIndex(): GeoIndex {
  const columns = columnCounts();
  const grids = new Map<string, Grid>();
  return {
    put: (tenantId, driver) => {
      let grid = grids.get(tenantId);
      if (!grid) grids.set(tenantId, (grid = { byDriver: new Map(), cells: new Map() }));
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

function cellOf(columns: Int32Array, { lat, lng }: GeoPoint): number {
  const row = rowOf(lat);
  const count = columns[row]!;
  return row * columnLimit + (columnOf(lng, count) % count);
}

function put(grid: Grid, columns: Int32Array, driver: IndexedDriver): void {
  const cell = cellOf(columns, driver);
  let entry = grid.byDriver.get(driver.driverId);
  if (!entry) {
    entry = { driver, x: 0, y: 0, z: 0, cell: -1, slot: -1 };
    grid.byDriver.set(driver.driverId, entry);
  }
  entry.driver = driver;
  const cosLat = Math.cos(driver.lat * radians);
  entry.x = cosLat * Math.cos(driver.lng * radians);
  entry.y = cosLat * Math.sin(driver.lng * radians);
  entry.z = Math.sin(driver.lat * radians);
  if (entry.cell === cell) return;
  leaveCell(grid, entry);
  let list = grid.cells.get(cell);
  if (!list) grid.cells.set(cell, (list = []));
  entry.cell = cell;
  entry.slot = list.length;
  list.push(entry);
}

/** The last entry of the cell takes the place that becomes free. */
function leaveCell(grid: Grid, entry: Entry): void {
  const list = grid.cells.get(entry.cell);
  if (!list) return;
  const last = list.pop()!;
  if (last !== entry) {
    list[entry.slot] = last;
    last.slot = entry.slot;
  }
  if (list.length === 0) grid.cells.delete(entry.cell);
}

function nearest(grid: Grid, columns: Int32Array, query: NearestQuery): FoundDriver[] {
  const { point, radiusMeters } = query;
  const best = createBest(query);
  for (let seen = 0, radius = Math.min(cellMeters, radiusMeters); ;) {
    if ((radius / cellMeters) ** 2 * 4 > grid.byDriver.size) {
      // The circle has more cells than there are drivers: looking at each driver once is less.
      const rest = createBest(query);
      for (const entry of grid.byDriver.values()) rest.offer(entry);
      return rest.found();
    }
    scanCircle(grid, columns, point, seen, radius, best.offer);
    if (radius >= radiusMeters || best.isFullWithin(radius)) return best.found();
    seen = radius;
    radius = Math.min(radius * 2, radiusMeters);
  }
}

/** Half the width in degrees of the box around a circle; 180 when it holds a pole. */
function halfWidth(lat: number, angle: number): number {
  const latRadians = Math.abs(lat) * radians;
  if (latRadians + angle >= Math.PI / 2) return 180;
  return Math.asin(Math.sin(angle) / Math.cos(latRadians)) / radians + margin;
}

/** Visits the cells of the box around the circle that the box around the smaller one does not have. */
function scanCircle(
  grid: Grid,
  columns: Int32Array,
  { lat, lng }: GeoPoint,
  seenMeters: number,
  radiusMeters: number,
  visit: (entry: Entry) => void,
): void {
  const box = boxOf(lat, radiusMeters);
  const seen = seenMeters > 0 ? boxOf(lat, seenMeters) : undefined;
  for (let row = box.firstRow; row <= box.lastRow; row += 1) {
    const count = columns[row]!;
    let from = columnOf(lng - box.halfWidth, count);
    let to = columnOf(lng + box.halfWidth, count);
    if (seen && row >= seen.firstRow && row <= seen.lastRow) {
      const seenFrom = columnOf(lng - seen.halfWidth, count);
      const seenTo = columnOf(lng + seen.halfWidth, count);
      if (seenTo - seenFrom + 1 >= count) continue;
      // All around the row: what is left lies east of what was seen, up to its western end.
      if (to - from + 1 >= count) [from, to] = [seenFrom, seenFrom + count - 1];
      scanRow(grid, row, count, from, seenFrom - 1, visit);
      scanRow(grid, row, count, seenTo + 1, to, visit);
    } else {
      if (to - from + 1 >= count) [from, to] = [0, count - 1];
      scanRow(grid, row, count, from, to, visit);
    }
  }
}

function boxOf(lat: number, radiusMeters: number) {
  const angle = radiusMeters / earthRadiusMeters;
  const halfHeight = angle / radians + margin;
  return {
    firstRow: rowOf(lat - halfHeight),
    lastRow: rowOf(lat + halfHeight),
    halfWidth: halfWidth(lat, angle),
  };
}

function scanRow(
  grid: Grid,
  row: number,
  count: number,
  from: number,
  to: number,
  visit: (entry: Entry) => void,
): void {
  for (let column = from; column <= to; column += 1) {
    const wrapped = column < 0 ? column + count : column >= count ? column - count : column;
    const list = grid.cells.get(row * columnLimit + wrapped);
    if (list) for (const entry of list) visit(entry);
  }
}

/** Keeps the nearest entries that fit a query. */
function createBest(query: NearestQuery) {
  const { limit, cityId, vehicleClass, seenSinceMs } = query;
  const cosLat = Math.cos(query.point.lat * radians);
  const x = cosLat * Math.cos(query.point.lng * radians);
  const y = cosLat * Math.sin(query.point.lng * radians);
  const z = Math.sin(query.point.lat * radians);
  const entries: Entry[] = [];
  const chords: number[] = [];
  // Squared chords. Beyond this one an entry is too far, or worse than what is kept already.
  let worst = squaredChord(query.radiusMeters);

  const offer = (entry: Entry): void => {
    const chord = (entry.x - x) ** 2 + (entry.y - y) ** 2 + (entry.z - z) ** 2;
    if (chord > worst) return;
    const { driver } = entry;
    if (driver.timeMs < seenSinceMs) return;
    if (cityId !== undefined && driver.cityId !== cityId) return;
    if (vehicleClass !== undefined && driver.vehicleClass !== vehicleClass) return;
    let at = entries.length;
    while (at > 0 && chords[at - 1]! > chord) at -= 1;
    if (at === limit) return;
    entries.splice(at, 0, entry);
    chords.splice(at, 0, chord);
    if (entries.length > limit) {
      entries.pop();
      chords.pop();
    }
    if (entries.length === limit) worst = chords[limit - 1]!;
  };

  return {
    offer,
    /** Whether nothing outside this radius can change the result. */
    isFullWithin: (radiusMeters: number) =>
      entries.length === limit && worst <= squaredChord(radiusMeters),
    found: (): FoundDriver[] =>
      entries.map(({ driver }, i) => ({
        driver,
        distanceMeters: 2 * earthRadiusMeters * Math.asin(Math.min(1, Math.sqrt(chords[i]!) / 2)),
      })),
  };
}

function squaredChord(meters: number): number {
  return (2 * Math.sin(Math.min(Math.PI / 2, meters / (2 * earthRadiusMeters)))) ** 2;
}
