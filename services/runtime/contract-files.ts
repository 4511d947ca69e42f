/**
 * Every file of the contract that declares services, in the order of their paths. A new one is added
 * here by hand; contract.test.ts says which is missing.
 */
import type { DescFile } from "@bufbuild/protobuf";
import { file_ridemesh_city_v1_city_internal_service } from "../../gen/es/ridemesh/city/v1/city_internal_service_pb.js";
import { file_ridemesh_city_v1_city_service } from "../../gen/es/ridemesh/city/v1/city_service_pb.js";
import { file_ridemesh_dispatch_v1_dispatch_service } from "../../gen/es/ridemesh/dispatch/v1/dispatch_service_pb.js";
import { file_ridemesh_driver_v1_driver_internal_service } from "../../gen/es/ridemesh/driver/v1/driver_internal_service_pb.js";
import { file_ridemesh_driver_v1_driver_service } from "../../gen/es/ridemesh/driver/v1/driver_service_pb.js";
import { file_ridemesh_eta_v1_eta_internal_service } from "../../gen/es/ridemesh/eta/v1/eta_internal_service_pb.js";
import { file_ridemesh_eta_v1_eta_service } from "../../gen/es/ridemesh/eta/v1/eta_service_pb.js";
import { file_ridemesh_identity_v1_identity_internal_service } from "../../gen/es/ridemesh/identity/v1/identity_internal_service_pb.js";
import { file_ridemesh_identity_v1_identity_service } from "../../gen/es/ridemesh/identity/v1/identity_service_pb.js";
import { file_ridemesh_location_v1_location_internal_service } from "../../gen/es/ridemesh/location/v1/location_internal_service_pb.js";
import { file_ridemesh_location_v1_location_service } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import { file_ridemesh_notification_v1_notification_service } from "../../gen/es/ridemesh/notification/v1/notification_service_pb.js";
import { file_ridemesh_payment_v1_payment_internal_service } from "../../gen/es/ridemesh/payment/v1/payment_internal_service_pb.js";
import { file_ridemesh_payment_v1_payment_service } from "../../gen/es/ridemesh/payment/v1/payment_service_pb.js";
import { file_ridemesh_pricing_v1_pricing_internal_service } from "../../gen/es/ridemesh/pricing/v1/pricing_internal_service_pb.js";
import { file_ridemesh_pricing_v1_pricing_service } from "../../gen/es/ridemesh/pricing/v1/pricing_service_pb.js";
import { file_ridemesh_rider_v1_rider_internal_service } from "../../gen/es/ridemesh/rider/v1/rider_internal_service_pb.js";
import { file_ridemesh_rider_v1_rider_service } from "../../gen/es/ridemesh/rider/v1/rider_service_pb.js";
import { file_ridemesh_trip_v1_trip_internal_service } from "../../gen/es/ridemesh/trip/v1/trip_internal_service_pb.js";
import { file_ridemesh_trip_v1_trip_service } from "../../gen/es/ridemesh/trip/v1/trip_service_pb.js";

export const contractFiles: readonly DescFile[] = [
  file_ridemesh_city_v1_city_internal_service,
  file_ridemesh_city_v1_city_service,
  file_ridemesh_dispatch_v1_dispatch_service,
  file_ridemesh_driver_v1_driver_internal_service,
  file_ridemesh_driver_v1_driver_service,
  file_ridemesh_eta_v1_eta_internal_service,
  file_ridemesh_eta_v1_eta_service,
  file_ridemesh_identity_v1_identity_internal_service,
  file_ridemesh_identity_v1_identity_service,
  file_ridemesh_location_v1_location_internal_service,
  file_ridemesh_location_v1_location_service,
  file_ridemesh_notification_v1_notification_service,
  file_ridemesh_payment_v1_payment_internal_service,
  file_ridemesh_payment_v1_payment_service,
  file_ridemesh_pricing_v1_pricing_internal_service,
  file_ridemesh_pricing_v1_pricing_service,
  file_ridemesh_rider_v1_rider_internal_service,
  file_ridemesh_rider_v1_rider_service,
  file_ridemesh_trip_v1_trip_internal_service,
  file_ridemesh_trip_v1_trip_service,
];
