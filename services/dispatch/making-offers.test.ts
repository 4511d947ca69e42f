/** An offer is shown to its driver once the trip knows of it, and never before. */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { DispatchServiceService } from "../../gen/grpc/ridemesh/dispatch/v1/dispatch_service.js";
import { EtaInternalServiceService } from "../../gen/grpc/ridemesh/eta/v1/eta_internal_service.js";
import { LocationInternalServiceService } from "../../gen/grpc/ridemesh/location/v1/location_internal_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import {
  TripAccepted,
  TripExpired,
  TripRequested,
} from "../../gen/grpc/ridemesh/trip/v1/trip_events.js";
import { TripInternalServiceService } from "../../gen/grpc/ridemesh/trip/v1/trip_internal_service.js";
import { VehicleClass } from "../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { testHost, type TestHost } from "../testing/host.js";
import { publishEvent } from "../testing/publish.js";
import { startStandIn } from "../testing/stand-in.js";
import { waitFor } from "../testing/wait-for.js";
import { startDispatch } from "./app.js";

const tenantId = "metro";
const cityId = "new-york";
const pickup = { point: { lat: 40.75, lng: -73.98 }, address: "" };

describe("making offers", () => {
  let testing: TestHost;
  let candidates: string[];
  /** What the trip service does when it is given offers. */
  let take: () => Promise<void>;
  /** What goes on while chosen drivers are ranked. */
  let ranking = () => Promise.resolve();

  before(async () => {
    testing = await testHost(["dispatch", "city", "trip", "location", "eta"]);
    await startStandIn(testing, "city", CityInternalServiceService, {
      watchCities: async function* (_request, ctx) {
        const dispatch = {
          offerSeconds: 15,
          roundSeconds: 15,
          roundRadiusMeters: [2000],
          maxOffers: 5,
        };
        yield { cities: [City.fromPartial({ tenantId, cityId, dispatch })] };
        await testing.host.wall.sleep(60_000, ctx.signal);
      },
    });
    await startStandIn(testing, "trip", TripInternalServiceService, {
      beginMatching: () =>
        Promise.resolve({
          riderId: randomUUID(),
          cityId,
          vehicleClass: VehicleClass.ECONOMY,
          pickup,
          excludedDriverIds: [],
          rider: undefined,
        }),
      offerTrip: async () => {
        await take();
        return {};
      },
    });
    await startStandIn(testing, "location", LocationInternalServiceService, {
      findCandidates: () =>
        Promise.resolve({
          drivers: candidates.map((driverId) => ({
            driverId,
            point: pickup.point,
            distanceMeters: 0,
            vehicleClass: VehicleClass.ECONOMY,
            observeTime: undefined,
          })),
        }),
    });
    await startStandIn(testing, "eta", EtaInternalServiceService, {
      estimateLegs: async ({ legs }) => {
        await ranking();
        return {
          estimates: legs.map(() => ({ distanceMeters: 0, durationSeconds: 0, source: "" })),
        };
      },
    });
    testing.started(await startDispatch(testing.host));
  });
  after(() => testing.stop());

  const publish = (about: { tripId: string }) => ({
    key: about.tripId,
    tenantId,
    time: testing.host.domain.now(),
  });
  const request = async (): Promise<string> => {
    const event = TripRequested.fromPartial({ tripId: randomUUID(), version: 1n, cityId });
    await publishEvent(testing.host.bus, TripRequested, event, publish(event));
    return event.tripId;
  };
  const offersOf = async (driverId: string) => {
    const driver = { subject: driverId, roles: [Role.DRIVER] };
    const { offers } = await testing.call.unary(DispatchServiceService.listOffers, driver, {});
    return offers;
  };

  it("asks the next nearest at once when another search has taken the nearest meanwhile", async () => {
    // The first of the tests: the end of any other trip makes every search look again.
    candidates = Array.from({ length: 10 }, () => randomUUID());
    take = () => Promise.resolve();
    let choosing = 0;
    ranking = async () => {
      choosing += 1;
      await waitFor("the other search to choose", () => choosing >= 2);
    };
    const trips = await Promise.all([request(), request()]);
    const offers = await waitFor("ten offers", async () => {
      const all = (await Promise.all(candidates.map(offersOf))).flat();
      return all.length === 10 && all;
    });
    for (const tripId of trips) {
      expect(offers.filter((offer) => offer.tripId === tripId)).to.have.lengthOf(5);
      const event = TripExpired.fromPartial({ tripId });
      await publishEvent(testing.host.bus, TripExpired, event, publish(event));
    }
    // A search without luck looks again after a second.
    const times = offers.map((offer) => offer.createTime!.getTime());
    expect(Math.max(...times) - Math.min(...times)).to.be.below(1000);
    ranking = () => Promise.resolve();
  });

  it("shows an offer only when the trip has taken it", async () => {
    const driverId = randomUUID();
    candidates = [driverId];
    let asked = false;
    let answer = () => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    take = async () => {
      asked = true;
      await answered;
    };
    const tripId = await request();
    await waitFor("the trip to be asked", () => asked);
    expect(await offersOf(driverId)).to.deep.equal([]);
    answer();
    const [offer] = await waitFor("the offer", async () => {
      const offers = await offersOf(driverId);
      return offers.length > 0 && offers;
    });
    expect(offer?.tripId).to.equal(tripId);
    const event = TripExpired.fromPartial({ tripId });
    await publishEvent(testing.host.bus, TripExpired, event, publish(event));
    await waitFor("the offer to end", async () => (await offersOf(driverId)).length === 0);
  });

  it("shows no offer of a trip that was taken while it was being made", async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    candidates = [first];
    take = () => Promise.resolve();
    const tripId = await request();
    await waitFor("the first offer", async () => (await offersOf(first)).length > 0);

    let asked = false;
    let answer = () => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    take = async () => {
      asked = true;
      await answered;
    };
    candidates = [second];
    await waitFor("the second driver to be asked for", () => asked);
    const event = TripAccepted.fromPartial({ tripId, driverId: first, cityId, searchNumber: 1 });
    await publishEvent(testing.host.bus, TripAccepted, event, publish(event));
    await waitFor("the first offer to end", async () => (await offersOf(first)).length === 0);
    answer();
    // A driver with an offer is passed over: when he is asked again, the old one is gone.
    const next = await request();
    const [offer] = await waitFor("another trip's offer", async () => {
      const offers = await offersOf(second);
      return offers.length > 0 && offers;
    });
    expect(offer?.tripId).to.equal(next);
  });
});
