/** Brings trips to where a test wants them, as riders and drivers do: through the public API. */
import { randomUUID } from "node:crypto";
import type { Offer } from "../../gen/es/ridemesh/dispatch/v1/offer_pb.js";
import { DispatchService } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import type { Quote } from "../../gen/es/ridemesh/pricing/v1/fare_pb.js";
import { PricingService } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { PaymentMethodKind, TripState, type Trip } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import { TripAction, TripService } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { distanceMeters } from "../../services/runtime/geo.js";
import { waitFor } from "../../services/testing/wait-for.js";
import type { Driver, People, Person, Point } from "./people.js";

/** Where a ride goes. */
export interface Places {
  pickup: Point;
  dropoff: Point;
}

export interface RideOptions {
  payment?: PaymentMethodKind;
  cardId?: string;
}

/** A trip with whom it is of. */
export interface Ride {
  tripId: string;
  rider: Person;
  driver: Driver;
  places: Places;
  pin: string;
}

export interface Rides {
  quote(rider: Person, places: Places): Promise<Quote>;
  /** Requests a trip at the present price. */
  request(rider: Person, places: Places, options?: RideOptions): Promise<Trip>;
  /** The driver's offer of the trip, once he has it. */
  offer(driver: Person, tripId: string): Promise<Offer>;
  accept(driver: Person, tripId: string): Promise<Trip>;
  /** Moves a trip on by an action. */
  act(person: Person, tripId: string, action: TripAction, pin?: string): Promise<Trip>;
  /** The trip as a person sees it. */
  see(person: Person, tripId: string): Promise<Trip>;
  /** Waits until the trip is in one of the states, as the person sees it. */
  reached(person: Person, tripId: string, ...states: TripState[]): Promise<Trip>;
  /** Drives at about 36 km/h, reporting on the way. */
  drive(driver: Person, from: Point, to: Point): Promise<void>;
  /** A new trip, brought to the state. The driver stands at the pickup, online and free. */
  upTo(
    state: TripState,
    who: { rider: Person; driver: Driver; places: Places },
    options?: RideOptions,
  ): Promise<Ride>;
}

const driveMps = 10;
const reportEveryMeters = 300;

/** Makes the helper. `advance` lets so many seconds of domain time pass at once. */
export function createRides(
  platform: { advance(seconds: number): void | Promise<void> },
  people: People,
): Rides {
  const { call } = people;

  const request: Rides["request"] = async (rider, places, options = {}) => {
    const { trip } = await call(TripService.method.requestTrip, rider, {
      pickup: { point: places.pickup, address: "Pickup Street 1" },
      dropoff: { point: places.dropoff, address: "Dropoff Street 2" },
      vehicleClass: VehicleClass.ECONOMY,
      paymentMethod: options.payment ?? PaymentMethodKind.CASH,
      cardId: options.cardId ?? "",
      requestId: randomUUID(),
    });
    return trip!;
  };

  const offer: Rides["offer"] = (driver, tripId) =>
    waitFor(`an offer to ${driver.name}`, async () => {
      const { offers } = await call(DispatchService.method.listOffers, driver, {});
      return offers.find((one) => one.tripId === tripId);
    });

  const accept: Rides["accept"] = async (driver, tripId) =>
    (await call(TripService.method.acceptTrip, driver, { tripId })).trip!;

  const act: Rides["act"] = async (person, tripId, action, pin = "") =>
    (await call(TripService.method.updateTripStatus, person, { tripId, action, pin })).trip!;

  const see: Rides["see"] = async (person, tripId) =>
    (await call(TripService.method.getTrip, person, { tripId })).trip!;

  const reached: Rides["reached"] = (person, tripId, ...states) =>
    waitFor(
      `trip ${tripId} to become ${states.map((s) => TripState[s]).join(" or ")}`,
      async () => {
        const trip = await see(person, tripId);
        return states.includes(trip.state) && trip;
      },
    );

  const drive: Rides["drive"] = async (driver, from, to) => {
    const meters = distanceMeters(from, to);
    const steps = Math.max(1, Math.ceil(meters / reportEveryMeters));
    for (let step = 1; step <= steps; step += 1) {
      await platform.advance(meters / steps / driveMps);
      const part = step / steps;
      const lat = from.lat + (to.lat - from.lat) * part;
      const lng = from.lng + (to.lng - from.lng) * part;
      await people.report(driver, { lat, lng });
    }
  };

  const upTo: Rides["upTo"] = async (state, { rider, driver, places }, options) => {
    // Whoever drove elsewhere has time to come back, and is heard of.
    await platform.advance(60);
    await people.report(driver, places.pickup);
    const { tripId, pin } = await request(rider, places, options);
    const ride = { tripId, rider, driver, places, pin };
    if (state === TripState.REQUESTED) return ride;
    await offer(driver, tripId);
    if (state === TripState.MATCHING) return ride;
    await accept(driver, tripId);
    if (state === TripState.ACCEPTED) return ride;
    await act(driver, tripId, TripAction.ARRIVING);
    if (state === TripState.DRIVER_ARRIVING) return ride;
    await act(driver, tripId, TripAction.ARRIVED);
    if (state === TripState.DRIVER_ARRIVED) return ride;
    await act(driver, tripId, TripAction.START, pin);
    if (state === TripState.STARTED) return ride;
    await platform.advance(90);
    await act(driver, tripId, TripAction.COMPLETE);
    if (state === TripState.COMPLETED) return ride;
    await reached(rider, tripId, TripState.PAYMENT_PROCESSED, TripState.PAYMENT_FAILED);
    return ride;
  };

  return {
    request,
    offer,
    accept,
    act,
    see,
    reached,
    drive,
    upTo,
    quote: async (rider, places) => {
      const { quotes } = await call(PricingService.method.createQuotes, rider, {
        pickup: { point: places.pickup },
        dropoff: { point: places.dropoff },
        vehicleClass: VehicleClass.ECONOMY,
      });
      return quotes[0]!;
    },
  };
}
