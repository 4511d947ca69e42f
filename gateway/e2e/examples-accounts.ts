/** Examples of cities, accounts, riders, notifications, prices and travel times. */
import { create } from "@bufbuild/protobuf";
import { CitySchema } from "../../gen/es/ridemesh/city/v1/city_pb.js";
import { CityService } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { EtaService } from "../../gen/es/ridemesh/eta/v1/eta_service_pb.js";
import { IdentityService } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { NotificationService } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { Role } from "../../gen/es/ridemesh/options/v1/options_pb.js";
import { PricingService } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { RiderService } from "../../gen/es/ridemesh/rider/v1/rider_service_pb.js";
import { VehicleClass } from "../../gen/es/ridemesh/type/v1/vehicle_class_pb.js";
import { count, example, type Example } from "./example.js";
import { newEmail } from "./people.js";
import { spots, type World } from "./world.js";

const users = (world: World) => count(world, "SELECT count(*) AS n FROM identity.users", []);

/** A message to the rider, so that there is one to read. */
async function send(world: World) {
  const { notification } = await world.people.call(
    NotificationService.method.sendNotification,
    world.admin,
    { userId: world.riderA.userId, title: "Lost and found", body: "Is this umbrella yours?" },
  );
  return notification!;
}

export const accountExamples: Example[] = [
  example(CityService.method.listCities, () => ({ request: { operator: "metro" } })),
  example(CityService.method.getCity, () => ({
    request: { operator: "metro", cityId: "new-york" },
  })),
  example(CityService.method.getClock, () => ({ request: {} })),
  example(
    CityService.method.updateCity,
    async (world) => {
      const wanted = { operator: "metro", cityId: "new-york" };
      const { city } = await world.people.call(CityService.method.getCity, world.admin, wanted);
      return { caller: world.admin, request: { cityId: "new-york", city: city! } };
    },
    {
      effects: (world) =>
        count(world, "SELECT version AS n FROM city.cities WHERE city_id = $1", ["new-york"]),
      other: (_world, { request }) => {
        const city = create(CitySchema, request.city);
        return { city: { ...city, name: `${city.name}, New York` } };
      },
    },
  ),

  example(
    IdentityService.method.registerUser,
    () => ({
      request: {
        operator: "metro",
        email: newEmail(),
        password: "a rather long password",
        displayName: "Rolf Rider",
        role: Role.RIDER,
      },
    }),
    { effects: users, other: () => ({ displayName: "Ralf Rider" }) },
  ),
  example(IdentityService.method.login, ({ riderA }) => ({
    request: { operator: "metro", email: riderA.email, password: riderA.password },
  })),
  example(IdentityService.method.refreshToken, async ({ people }) => {
    const { session } = await people.register(Role.RIDER);
    return { request: { refreshToken: session.refreshToken } };
  }),
  example(
    IdentityService.method.logout,
    async ({ people }) => ({ caller: await people.register(Role.RIDER), request: {} }),
    { elsewhere: "own", endsSession: true },
  ),
  example(IdentityService.method.validateToken, ({ riderA }) => ({ caller: riderA, request: {} })),
  example(IdentityService.method.listSigningKeys, () => ({ request: {} })),
  example(
    IdentityService.method.createStreamTicket,
    ({ riderA }) => ({ caller: riderA, request: {} }),
    { elsewhere: "own" },
  ),
  example(
    IdentityService.method.createUser,
    ({ admin }) => ({
      caller: admin,
      request: { email: newEmail(), displayName: "Sven Support", roles: [Role.SUPPORT] },
    }),
    {
      elsewhere: "own",
      effects: users,
      other: () => ({ displayName: "Sten Support" }),
    },
  ),
  example(IdentityService.method.getUser, ({ riderA }) => ({
    caller: riderA,
    request: { userId: riderA.userId },
  })),

  example(RiderService.method.getRiderProfile, ({ riderA }) => ({
    caller: riderA,
    request: { riderId: riderA.userId },
  })),
  example(
    RiderService.method.updateRiderProfile,
    ({ riderA }) => ({
      caller: riderA,
      request: {
        riderId: riderA.userId,
        profile: {
          displayName: riderA.name,
          language: "en",
          savedPlaces: [{ label: "home", place: { point: spots.access.pickup } }],
          emergencyContacts: [{ name: "Mother", phone: "+12125550100" }],
        },
      },
    }),
    {
      // A profile that is replaced leaves no trace but its time.
      effects: (world, { caller }) =>
        count(
          world,
          `SELECT count(DISTINCT update_time) AS n FROM rider.profiles
           WHERE rider_id = $1 AND update_time > create_time`,
          [caller!.userId],
        ),
      other: () => ({
        profile: { displayName: "Someone", language: "de" },
      }),
    },
  ),

  example(NotificationService.method.listNotifications, async (world) => {
    await send(world);
    return { caller: world.riderA, request: {} };
  }),
  example(NotificationService.method.watchNotifications, async (world) => {
    await send(world);
    return { caller: world.riderA, request: { lastEventId: "0" } };
  }),
  example(
    NotificationService.method.markNotificationsRead,
    async (world) => {
      const { notificationId } = await send(world);
      return { caller: world.riderA, request: { notificationIds: [notificationId] } };
    },
    { elsewhere: "own" },
  ),
  example(
    NotificationService.method.sendNotification,
    ({ admin, riderA }) => ({
      caller: admin,
      request: { userId: riderA.userId, title: "Service", body: "The app was down for a minute." },
    }),
    {
      effects: (world) =>
        count(
          world,
          "SELECT count(*) AS n FROM notification.notifications WHERE user_id = $1 AND kind = 'message'",
          [world.riderA.userId],
        ),
      other: () => ({ title: "Another service" }),
    },
  ),

  example(
    PricingService.method.createQuotes,
    ({ riderA }) => ({
      caller: riderA,
      request: {
        pickup: { point: spots.shared.pickup },
        dropoff: { point: spots.shared.dropoff },
        vehicleClass: VehicleClass.ECONOMY,
      },
    }),
    { elsewhere: "own" },
  ),
  example(PricingService.method.calculateFare, ({ riderA }) => ({
    caller: riderA,
    request: {
      cityId: "new-york",
      vehicleClass: VehicleClass.ECONOMY,
      distanceMeters: 5000,
      durationSeconds: 900,
    },
  })),
  example(PricingService.method.getSurge, ({ riderA }) => ({
    caller: riderA,
    request: spots.shared.pickup,
  })),
  example(EtaService.method.estimateRoute, ({ riderA }) => ({
    caller: riderA,
    request: { origin: spots.shared.pickup, destination: spots.shared.dropoff },
  })),
];
