/** A payment service with a city service beside it, and short words for what tests do with it. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import { Role } from "../../gen/grpc/ridemesh/options/v1/options.js";
import { PaymentPurpose, type Payment } from "../../gen/grpc/ridemesh/payment/v1/payment.js";
import { PaymentInternalServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_internal_service.js";
import { PaymentServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_service.js";
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { BusMessage } from "../runtime/bus.js";
import type { RunningService } from "../runtime/service.js";
import { serve, startServer } from "../runtime/server.js";
import { StatusError, unavailable } from "../runtime/status.js";
import { testHost, type TestCaller, type TestHost } from "../testing/host.js";
import { waitFor } from "../testing/wait-for.js";
import { startPayment } from "./app.js";
import * as audit from "./audit.js";
import { defaultPaymentConfig, type PaymentConfig } from "./config.js";
import type { Gateway } from "./gateway.js";

/** What a test charges for when it does not say. */
export interface TestDue {
  tripId?: string;
  driverId?: string;
  purpose?: PaymentPurpose;
  method?: PaymentMethodKind;
  cardId?: string;
  totalMinor?: bigint;
  taxMinor?: bigint;
  currencyCode?: string;
}

export type World = Awaited<ReturnType<typeof paymentWorld>>;

/** Fast where a test would wait. */
export const testConfig: PaymentConfig = {
  ...defaultPaymentConfig,
  gatewayTimeoutMs: 2000,
  sandboxTimeoutMs: 20,
};

/** A rider whom nobody has seen before. */
export function newRider(tenantId = "metro"): TestCaller {
  return { subject: randomUUID(), tenantId, roles: [Role.RIDER] };
}

/** The error that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<StatusError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("the call was not refused");
}

/** Starts a world; `stop` ends it. */
export async function paymentWorld(
  config: PaymentConfig = testConfig,
  through?: (gateway: Gateway) => Gateway,
) {
  const test = await testHost(["payment", "city"]);
  await standInCity(test);
  test.started(await startPayment(test.host, config, through));
  const admin = new pg.Client(test.superuserUrl);
  await admin.connect();
  const events: BusMessage[] = [];
  const listening = await test.host.bus.subscribe({
    group: "test",
    topics: ["ridemesh.payment.v1"],
    handle: async (message) => {
      events.push(message);
      return Promise.resolve();
    },
  });

  const rows = async <T extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
    (await admin.query<T>(sql, values)).rows;

  const charge = async (rider: TestCaller, due: TestDue = {}): Promise<Payment> => {
    const client = test.internalClient(PaymentInternalServiceService, "payment", "trip");
    const { payment } = await client.chargeTrip({
      tenantId: rider.tenantId!,
      onBehalfOf: rider.subject,
      tripId: due.tripId ?? randomUUID(),
      driverId: due.driverId ?? randomUUID(),
      purpose: due.purpose ?? PaymentPurpose.FARE,
      paymentMethod: { kind: due.method ?? PaymentMethodKind.CARD, cardId: due.cardId ?? "" },
      total: { amountMinor: due.totalMinor ?? 1230n, currencyCode: due.currencyCode ?? "USD" },
      taxMinor: due.taxMinor ?? 80n,
    });
    return payment!;
  };

  const pay = async (
    rider: TestCaller,
    tripId: string,
    how: { paymentMethod?: PaymentMethodKind; cardId?: string; requestId?: string } = {},
  ): Promise<Payment> => {
    const request = { tripId, paymentMethod: 0, cardId: "", requestId: randomUUID(), ...how };
    return (await test.call.unary(PaymentServiceService.payTrip, rider, request)).payment!;
  };

  const addCard = async (
    rider: TestCaller,
    cardToken: string,
    requestId: string = randomUUID(),
  ) => {
    const request = { cardToken, requestId };
    return (await test.call.unary(PaymentServiceService.addCard, rider, request)).card!;
  };

  const topUp = async (
    rider: TestCaller,
    amountMinor: bigint,
    how: { cardId?: string; requestId?: string; currencyCode?: string } = {},
  ) => {
    const { cardId = "", requestId = randomUUID(), currencyCode = "USD" } = how;
    const request = { amount: { amountMinor, currencyCode }, cardId, requestId };
    return test.call.unary(PaymentServiceService.topUpWallet, rider, request);
  };

  /** What an account holds, over all its stripes. */
  const balance = async (kind: string, ownerId?: string): Promise<number> => {
    const [row] = await rows<{ sum: string }>(
      `SELECT coalesce(sum(balance_minor), 0) AS sum FROM payment.accounts
       WHERE kind = $1 AND ($2::text IS NULL OR owner_id = $2)`,
      [kind, ownerId ?? null],
    );
    return Number(row!.sum);
  };

  /** What the audit finds, by the question's name; nothing when all is well. */
  const findings = async (): Promise<Record<string, unknown[]>> => {
    const found: Record<string, unknown[]> = {};
    for (const [name, sql] of Object.entries(audit)) {
      const answer = await rows(sql);
      if (answer.length > 0) found[name] = answer;
    }
    return found;
  };

  await waitFor("payment to know the cities", async () => {
    const error = await refusal(topUp(newRider(), 100n, { currencyCode: "ZZZ" }));
    return error.reason === "BAD_CURRENCY";
  });

  return {
    test,
    rows,
    charge,
    pay,
    addCard,
    topUp,
    balance,
    findings,
    /** Names of the events about a trip so far, in their order. */
    eventsOf: (tripId: string) =>
      events.filter((e) => e.key === tripId).map((e) => e.type.split(".").at(-1)!),
    /** Another process of the service on the same database; calls go to it from now on. */
    restart: async (
      other: PaymentConfig = config,
      otherThrough?: (gateway: Gateway) => Gateway,
    ): Promise<RunningService> => test.started(await startPayment(test.host, other, otherThrough)),
    chargesAtGateway: async (keyLike: string) =>
      rows<{ idempotency_key: string; status: string; amount_minor: string }>(
        `SELECT idempotency_key, status, amount_minor FROM payment.sandbox_charges
         WHERE idempotency_key LIKE $1 ORDER BY idempotency_key`,
        [keyLike],
      ),
    stop: async () => {
      await listening.stop();
      await admin.end();
      await test.stop();
    },
  };
}

/** Two operators: one whose cities use USD, one whose city uses EUR. */
async function standInCity(test: TestHost): Promise<void> {
  const { host, verifier } = test;
  const { secrets, wall, metrics, log } = host;
  const cities = [
    City.fromPartial({ tenantId: "metro", cityId: "new-york", currencyCode: "USD" }),
    City.fromPartial({ tenantId: "harbor", cityId: "harbor", currencyCode: "EUR" }),
  ];
  const service = serve(CityInternalServiceService, {
    watchCities: async function* (_request, ctx) {
      yield { cities };
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
    resolveOperator: () => Promise.reject(unavailable("not asked for here")),
  });
  const server = await startServer({
    services: [service],
    deps: {
      service: "city",
      pool: undefined as never,
      verifier,
      owners: {},
      secrets,
      wall,
      metrics,
      log,
    },
    identity: host.identity("city"),
    ...host.listen("city"),
  });
  test.started({ ...server, name: "city", check: () => Promise.resolve() });
}
