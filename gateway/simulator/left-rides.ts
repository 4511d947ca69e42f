/**
 * Ends what an earlier run of the demo has left of a person's rides: it was stopped, or killed, with
 * riders and drivers on their way, and whoever is on a trip can neither ask for one nor take one.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { TripState, type Trip } from "../../gen/es/ridemesh/trip/v1/trip_pb.js";
import type { Login } from "./api.js";

/**
 * The operator cancels what has not begun, which costs nobody anything. A ride that has begun is ended
 * by its driver, when his turn comes.
 */
export async function endLeftRides(person: Login, admin: Login): Promise<void> {
  const { trips } = await person.api.trip.listTrips({ pageSize: 5 }, await person.options());
  for (const trip of trips.filter(({ state }) => state <= TripState.STARTED)) {
    try {
      await end(trip, person, admin);
    } catch (error) {
      // The search for a driver has just ended by itself.
      if (!(error instanceof ConnectError && error.code === Code.FailedPrecondition)) throw error;
    }
  }
}

async function end(trip: Trip, person: Login, admin: Login): Promise<void> {
  const { tripId, state, driverId } = trip;
  if (state < TripState.STARTED) {
    const reason = "the demo was stopped";
    await admin.api.trip.cancelTrip({ tripId, reason }, await admin.options());
  } else if (driverId === person.userId) {
    await person.api.trip.completeTrip({ tripId }, await person.options());
  }
}
