/** Handlers of PaymentService. */
import { PaymentMethodKind } from "../../gen/grpc/ridemesh/trip/v1/trip.js";
import type { PaymentServiceService } from "../../gen/grpc/ridemesh/payment/v1/payment_service.js";
import { uuidv7 } from "../runtime/ids.js";
import { decodePageToken, encodePageToken } from "../runtime/page-token.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField, notFound, unavailable } from "../runtime/status.js";
import type { Cities } from "../runtime/watch.js";
import type { AttemptDeps } from "./attempts.js";
import { addCard, cardView, loadCards, type Card } from "./cards.js";
import { payTrip } from "./charge.js";
import { loadStatement, loadWallet } from "./ledger-store.js";
import { viewOf, type Payment, type Way } from "./payment.js";
import { loadPayment } from "./store.js";
import { topUp, type ToppedUp } from "./top-up.js";

export interface PaymentDeps extends AttemptDeps {
  cities: Pick<Cities, "list">;
}

/** Payments, as riders make and see them. */
export function paymentService(deps: PaymentDeps): Handlers<PaymentServiceService> {
  const { pool, domain, secrets, gateway, cities } = deps;

  return {
    payTrip: async ({ tripId, paymentMethod, cardId, requestId }, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const request = {
        tenantId,
        tripId,
        riderId,
        way: wantedWay(paymentMethod, cardId),
        requestId: requestId || undefined,
      };
      const { traceparent, deadlineMs, signal } = ctx;
      const answer = (payment: Payment) => ctx.answer({ payment: viewOf(payment) });
      const origin = { traceparent, deadlineMs, signal, answer };
      return { payment: viewOf(await payTrip(deps, request, origin)) };
    },

    getPayment: async ({ paymentId }, ctx) => {
      const payment = await loadPayment(pool, ctx.caller.tenantId, paymentId);
      if (!payment) throw notFound("payment");
      return { payment: viewOf(payment) };
    },

    listPaymentMethods: async (_request, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const cards = await loadCards(pool, tenantId, riderId);
      const wallet = await loadWallet(pool, tenantId, riderId);
      return { cards: cards.map(cardView), wallet, cash: true };
    },

    addCard: async ({ cardToken }, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const face = await gateway.describeCard(cardToken).catch((error: unknown) => {
        ctx.log.warn({ err: error }, "the card gateway failed");
        throw unavailable("the card gateway is not answering");
      });
      if (!face) {
        throw invalidField("card_token", "is not one of the gateway's", "BAD_CARD_TOKEN");
      }
      const now = domain.now();
      const card = {
        ...face,
        tenantId,
        riderId,
        cardId: uuidv7(now),
        sealedToken: secrets.encryptText(cardToken),
        createTime: now,
      };
      const answer = (kept: Card) => ctx.answer({ card: cardView(kept) });
      return { card: cardView(await addCard(pool, card, answer)) };
    },

    topUpWallet: async ({ amount, cardId, requestId }, ctx) => {
      const { tenantId, subject: riderId } = ctx.caller;
      const { amountMinor, currencyCode } = amount!;
      if (!cities.list(tenantId).some((city) => city.currencyCode === currencyCode)) {
        throw invalidField(
          "amount.currency_code",
          "is not a currency of the operator",
          "BAD_CURRENCY",
        );
      }
      const response = ({ transferId, balanceMinor }: ToppedUp) => ({
        balance: { amountMinor: balanceMinor, currencyCode },
        transferId,
      });
      const { deadlineMs, signal } = ctx;
      const answer = (result: ToppedUp) => ctx.answer(response(result));
      const result = await topUp(
        deps,
        {
          tenantId,
          riderId,
          cardId,
          amountMinor,
          currencyCode,
          requestId: requestId || undefined,
        },
        { deadlineMs, signal, answer },
      );
      return response(result);
    },

    listTransactions: async ({ customerId, pageSize, pageToken }, ctx) => {
      const { tenantId } = ctx.caller;
      const size = pageSize || 50;
      const after = decodePageToken(pageToken, 2);
      const position = after && statementPosition(after);
      const found = await loadStatement(pool, tenantId, customerId, position, size + 1);
      const lines = found.slice(0, size);
      const last = lines.at(-1);
      return {
        transactions: lines.map(({ transferId, kind, tripId, createTime, ...amount }) => ({
          transferId,
          kind,
          tripId,
          amount,
          createTime,
        })),
        nextPageToken:
          found.length > size && last
            ? encodePageToken([last.createTime.toISOString(), last.transferId])
            : "",
      };
    },
  };
}

/** What a rider asks to pay with; undefined: as the trip was booked. */
function wantedWay(method: PaymentMethodKind, cardId: string): Way | undefined {
  switch (method) {
    case PaymentMethodKind.UNSPECIFIED:
      return cardId ? { method: PaymentMethodKind.CARD, cardId } : undefined;
    case PaymentMethodKind.CARD:
      return { method, cardId };
    case PaymentMethodKind.WALLET:
      if (cardId) throw invalidField("card_id", "does not go with payment by wallet");
      return { method, cardId };
    case PaymentMethodKind.CASH:
      throw invalidField("payment_method", "cash is given to the driver during the ride only");
    default:
      return method satisfies never;
  }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function statementPosition([time, transferId]: string[]) {
  const createTime = new Date(time!);
  if (Number.isNaN(createTime.getTime()) || !uuid.test(transferId!)) {
    throw invalidField("page_token", "is not one that an earlier answer gave");
  }
  return { createTime, transferId: transferId! };
}
