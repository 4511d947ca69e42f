/** Wires the notification service. */
import { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import { NotificationServiceService } from "../../gen/grpc/ridemesh/notification/v1/notification_service.js";
import { createClient } from "../runtime/client.js";
import { createFanout } from "../runtime/fanout.js";
import { serve } from "../runtime/server.js";
import { startService, type Host, type RunningService } from "../runtime/service.js";
import { notificationConsumer } from "./consumer.js";
import { notificationService } from "./service.js";
import { createNotificationStore } from "./store.js";

/** Starts the notification service. */
export function startNotification(host: Host): Promise<RunningService> {
  return startService(host, {
    name: "notification",
    migrations: new URL("./migrations/", import.meta.url),
    build: ({ pool, domain, secrets, channel }) => {
      const store = createNotificationStore(secrets);
      const identity = createClient(IdentityInternalServiceService, channel("identity"));
      const deps = { pool, domain, store, news: createFanout<true>() };
      return {
        services: [serve(NotificationServiceService, notificationService({ ...deps, identity }))],
        consumes: notificationConsumer(deps),
      };
    },
  });
}
