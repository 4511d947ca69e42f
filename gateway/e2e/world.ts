/**
 * The small world that the suites share: two operators, their staff, riders, and drivers who are
 * online. Each suite has a place of its own, so that no driver is offered another suite's trips.
 */
import { PaymentService } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { TripState } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { waitFor } from "../../services/testing/wait-for.js";
import { createPeople, type Driver, type People, type Person } from "./people.js";
import { sharedPlatform, type TestPlatform } from "./platform.js";
import { createRides, type Places, type Rides } from "./rides.js";
import { connectWire, type Wire } from "./wire.js";

/** Places at least 6 km apart, further than any search for drivers goes; each ride is about 1.8 km. */
export const spots = {
  access: ride(40.85, -73.88),
  ride: ride(40.755, -73.985),
  cancel: ride(40.6, -73.95),
  errors: ride(40.66, -73.86),
  races: ride(40.72, -73.8),
  openApi: ride(40.58, -74.15),
  /** Within the second operator's area too. */
  shared: ride(40.69, -73.985),
  /** Nobody drives here. */
  lonely: ride(40.63, -74.09),
} as const;

function ride(lat: number, lng: number): Places {
  return { pickup: { lat, lng }, dropoff: { lat: lat + 0.016, lng } };
}

export interface World {
  platform: TestPlatform;
  wire: Wire;
  people: People;
  rides: Rides;
  places: Places;
  admin: Person;
  support: Person;
  fleet: Person;
  riderA: Person;
  riderB: Person;
  driverA: Driver;
  driverB: Driver;
  /** The same roles of the other operator. */
  other: Record<"admin" | "support" | "fleet" | "rider" | "driver", Person>;
  /** The rider's default card, which always pays. */
  cardId: string;
  /** Ends every trip of these people and waits until drivers are free and nothing is left to do. */
  clear(): Promise<void>;
  /** Waits until nothing is left to do. */
  atRest(): Promise<void>;
  /** Takes the drivers home. */
  leave(): Promise<void>;
}

/** Makes the world at one of the places. Its drivers are A, at the pickup, and B, out of reach. */
export async function makeWorld(places: Places): Promise<World> {
  const platform = await sharedPlatform();
  const wire = connectWire(platform.url, "binary");
  const people = createPeople(platform, wire);
  const rides = createRides(platform, people);
  const staffOf = async (tenantId: string) => {
    const names = ["admin", "support", "fleet"] as const;
    const [admin, support, fleet] = await Promise.all(
      names.map((name) => people.staff(tenantId, name)),
    );
    return { admin: admin!, support: support!, fleet: fleet! };
  };
  const [own, foreign] = await Promise.all([staffOf("metro"), staffOf("harbor")]);
  const [riderA, riderB, driverA, driverB, rider, driver] = await Promise.all([
    people.register(Role.RIDER, "metro", "Anna Ahorn"),
    people.register(Role.RIDER, "metro", "Berta Buche"),
    people.driver(own.admin, "Carlos Cedro"),
    people.driver(own.admin, "Diego Drago"),
    people.register(Role.RIDER, "harbor", "Hanna Hafen"),
    people.driver(foreign.admin, "Henrik Havn"),
  ]);
  await people.goOnline(driverA, places.pickup);
  const { card } = await people.call(PaymentService.method.addCard, riderA, {
    cardToken: "tok_visa",
  });
  const known = new Map([driverA, driverB].map((one) => [one.userId, one]));

  return {
    platform,
    wire,
    people,
    rides,
    places,
    ...own,
    riderA,
    riderB,
    driverA,
    driverB,
    other: { ...foreign, rider, driver },
    cardId: card!.cardId,
    clear: async () => {
      const active = await platform.sql<{ trip_id: string; state: number; driver_id: string }>(
        `SELECT trip_id, state, driver_id FROM trip.trips
         WHERE tenant_id = 'metro' AND state BETWEEN 1 AND 6
           AND (rider_id = ANY ($1) OR driver_id = ANY ($2))`,
        [
          [riderA.userId, riderB.userId],
          [driverA.userId, driverB.userId],
        ],
      );
      for (const { trip_id: tripId, state, driver_id: driverId } of active) {
        if (state === TripState.STARTED) {
          await rides.act(known.get(driverId)!, tripId, TripAction.COMPLETE);
        } else {
          await people.call(TripService.method.cancelTrip, own.admin, { tripId });
        }
      }
      await atRest(platform);
    },
    atRest: () => atRest(platform),
    leave: async () => {
      await people.goOffline(driverA);
      await wire.stop();
    },
  };
}

/** Waits until no event is on its way, no search is open, and nothing is left to settle. */
export async function atRest(platform: Pick<TestPlatform, "sql">): Promise<void> {
  const outboxes = await platform.sql<{ name: string }>(
    `SELECT quote_ident(schemaname) || '.outbox' AS name FROM pg_tables WHERE tablename = 'outbox'`,
  );
  const waiting = outboxes.map(({ name }) => `EXISTS (SELECT 1 FROM ${name})`).join(" OR ");
  const behind = `SELECT DISTINCT topic FROM bus.positions p JOIN bus.messages m USING (topic, part)
     WHERE m.seq > p.position`;
  await waitFor("the platform to come to rest", async () => {
    const [row] = await platform.sql<{ busy: boolean }>(
      `SELECT EXISTS (${behind}) OR ${waiting}
         OR EXISTS (SELECT 1 FROM dispatch.searches WHERE open)
         OR EXISTS (SELECT 1 FROM dispatch.offers WHERE status <= 1)
         OR EXISTS (SELECT 1 FROM trip.settlements) AS busy`,
    );
    if (!row!.busy) return true;
    // Who ignores a message looks past it only now and then, unless he is told to look.
    await platform.sql(`SELECT pg_notify('ridemesh_bus', topic) FROM (${behind}) AS late`);
    return false;
  });
}
