/** Handlers of NotificationService. */
import type { IdentityInternalServiceService } from "../../gen/grpc/ridemesh/identity/v1/identity_internal_service.js";
import type {
  NotificationServiceService,
  WatchNotificationsRequest,
  WatchNotificationsResponse,
} from "../../gen/grpc/ridemesh/notification/v1/notification_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { Client } from "../runtime/client.js";
import type { DomainClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import { saveAnswer } from "../runtime/idempotency.js";
import { decodePageToken, encodePageToken } from "../runtime/page-token.js";
import { transaction, type Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { invalidField, notFound } from "../runtime/status.js";
import { endSeq, type Mailbox, type NotificationStore } from "./store.js";

export interface NotificationDeps {
  pool: Pool;
  domain: DomainClock;
  store: NotificationStore;
  /** Says that a user has new messages; the channel is `newsChannel`. */
  news: Fanout<true>;
}

/** The channel of a user's news. */
export function newsChannel({ tenantId, userId }: Mailbox): string {
  return `${tenantId}/${userId}`;
}

/** Tells streams of a user's new messages. One unread word of it is enough. */
export function announce(deps: Pick<NotificationDeps, "news">, of: Mailbox): void {
  deps.news.publish(newsChannel(of), true, "new");
}

const defaultPageSize = 50;
/** So many messages are read at a time for a stream. */
const streamBatch = 100;

/** Messages in the app. */
export function notificationService(
  deps: NotificationDeps & {
    identity: Pick<Client<IdentityInternalServiceService>, "listDisplayNames">;
  },
): Handlers<NotificationServiceService> {
  const { pool, domain, store } = deps;
  return {
    listNotifications: async ({ pageSize, pageToken }, ctx) => {
      const size = pageSize || defaultPageSize;
      const [token] = decodePageToken(pageToken, 1) ?? [];
      const seq = token === undefined ? endSeq : placeOf("page_token", token);
      const found = await store.listBefore(pool, mailboxOf(ctx), seq, size + 1);
      const page = found.slice(0, size);
      const last = page.at(-1);
      return {
        notifications: page.map(({ notification }) => notification),
        nextPageToken: found.length > size && last ? encodePageToken([String(last.seq)]) : "",
      };
    },

    watchNotifications: (request, ctx) => watchNotifications(deps, request, ctx),

    markNotificationsRead: async ({ notificationIds }, ctx) => {
      await store.markRead(pool, mailboxOf(ctx), notificationIds, domain.now());
      return {};
    },

    sendNotification: async ({ userId: wanted, title, body }, ctx) => {
      const { tenantId } = ctx.caller;
      const userId = wanted.toLowerCase();
      const request = { tenantId, userIds: [userId] };
      const { displayNames } = await deps.identity.listDisplayNames(request, ctx);
      if (!(userId in displayNames)) throw notFound("user");
      const draft = { userId, kind: "message", title, body };
      const response = await transaction(pool, async (tx) => {
        const about = { tenantId, tripId: "", eventId: undefined };
        const [notification] = await store.write(tx, about, [draft], domain.now());
        await saveAnswer(tx, ctx.answer({ notification }));
        return { notification };
      });
      announce(deps, { tenantId, userId });
      return response;
    },
  };
}

/**
 * The caller's messages after the last that he has, then each new one. Those come from the rows, in
 * their order; the fan-out only says when to look, so a slow reader misses nothing.
 */
async function* watchNotifications(
  deps: NotificationDeps,
  { lastEventId }: WatchNotificationsRequest,
  ctx: CallContext,
): AsyncGenerator<WatchNotificationsResponse> {
  const of = mailboxOf(ctx);
  const known = lastEventId ? placeOf("last_event_id", lastEventId) : undefined;
  // Listening begins before the rows are read, so that no message falls between the two.
  const news = deps.news.subscribe(newsChannel(of), ctx.signal);
  let seen = known ?? (await deps.store.lastSeq(deps.pool, of));

  const unseen = async function* (): AsyncGenerator<WatchNotificationsResponse> {
    for (let more = true; more && !ctx.signal.aborted;) {
      const records = await deps.store.listAfter(deps.pool, of, seen, streamBatch);
      for (const { seq, notification } of records) {
        seen = seq;
        yield { eventId: String(seq), notification };
      }
      more = records.length === streamBatch;
    }
  };
  yield* unseen();
  for await (const _ of news) yield* unseen();
}

function mailboxOf({ caller }: CallContext): Mailbox {
  return { tenantId: caller.tenantId, userId: caller.subject };
}

/** A place among messages, as an earlier answer wrote it. */
function placeOf(field: string, text: string): bigint {
  if (!/^[0-9]{1,18}$/.test(text)) throw invalidField(field, "is not one that was given out");
  return BigInt(text);
}
