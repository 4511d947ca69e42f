/** One ride over REST, from the quote to the paid trip. */
import { distanceMeters, pointInPolygon, type GeoPoint } from "../../services/runtime/geo.js";
import type { Phone } from "./people-on-phones.js";

/** A rider, and the one driver who is near. */
export interface Pair {
  rider: Phone;
  driver: Phone;
  at: GeoPoint;
  /** Resolves when the driver has seen the trip's offer. */
  offered: (tripId: string) => Promise<void>;
}

/** The stages of a ride, in their order. */
export const stages = [
  "quote",
  "request",
  "offer",
  "accept",
  "arriving",
  "arrived",
  "start",
  "complete",
  "paid, read",
] as const;

/** How long each stage took, in milliseconds, and how many HTTP calls it all was. */
export interface Ride {
  stagesMs: number[];
  totalMs: number;
  calls: number;
}

interface TripJson {
  tripId: string;
  state: string;
  pin: string;
}

const pollMs = 10;
/** What has not come by then, an offer or a payment, will never come. */
export const patienceMs = 30_000;

/** Takes the ride. */
export async function takeRide({ rider, driver, at, offered }: Pair): Promise<Ride> {
  const beganMs = performance.now();
  const stagesMs: number[] = [];
  let lastMs = beganMs;
  let calls = 0;
  const stage = async <T>(work: Promise<T>): Promise<T> => {
    const result = await work;
    const nowMs = performance.now();
    stagesMs.push(nowMs - lastMs);
    lastMs = nowMs;
    calls += 1;
    return result;
  };
  const dropoff = { lat: at.lat + 0.02, lng: at.lng + 0.02 };
  const { quotes } = await stage(
    rider.call<{ quotes: { quoteToken: string }[] }>("POST", "/api/pricing/estimate", {
      pickup: { point: at, address: "1 Pickup Street" },
      dropoff: { point: dropoff, address: "2 Dropoff Street" },
      vehicleClass: "VEHICLE_CLASS_ECONOMY",
    }),
  );
  const { tripId, pin } = await stage(
    rider.call<TripJson>("POST", "/api/trips", {
      quoteToken: quotes[0]!.quoteToken,
      paymentMethod: "PAYMENT_METHOD_KIND_CASH",
    }),
  );
  const path = `/api/trips/${tripId}`;
  await stage(offered(tripId));
  calls -= 1;
  await stage(driver.call("PUT", `${path}/accept`, {}));
  await stage(driver.call("PUT", `${path}/status`, { action: "TRIP_ACTION_ARRIVING" }));
  await stage(driver.call("PUT", `${path}/status`, { action: "TRIP_ACTION_ARRIVED" }));
  await stage(driver.call("PUT", `${path}/start`, { pin }));
  await stage(driver.call("PUT", `${path}/complete`, {}));
  const paid = async () => {
    for (;;) {
      const { state } = await rider.call<TripJson>("GET", path);
      if (state === "TRIP_STATE_PAYMENT_PROCESSED") return;
      if (performance.now() - lastMs > patienceMs) throw new Error(`${tripId} is still ${state}`);
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  };
  await stage(paid());
  return { stagesMs, totalMs: lastMs - beganMs, calls };
}

/** Places within the area, each out of the reach of offers to the others. */
export function farApart(area: readonly GeoPoint[], count: number, meters: number): GeoPoint[] {
  const lats = area.map((point) => point.lat);
  const lngs = area.map((point) => point.lng);
  const places: GeoPoint[] = [];
  for (let lat = Math.min(...lats); lat < Math.max(...lats); lat += 0.005) {
    for (let lng = Math.min(...lngs); lng < Math.max(...lngs); lng += 0.005) {
      const place = { lat, lng };
      const destination = { lat: lat + 0.02, lng: lng + 0.02 };
      if (!pointInPolygon(place, area) || !pointInPolygon(destination, area)) continue;
      if (places.some((other) => distanceMeters(other, place) < meters)) continue;
      places.push(place);
      if (places.length === count) return places;
    }
  }
  throw new Error(`the area has room for ${places.length} places only`);
}
