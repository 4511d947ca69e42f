/**
 * A driver's positions on their way: over one long stream, and in a batch where he must know that they
 * have been taken.
 */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamLocationsRequestSchema } from "../../gen/es/ridemesh/location/v1/location_service_pb.js";
import type { Login } from "./api.js";
import type { LatLng } from "./geometry.js";

/** A position at a domain time. */
export interface TimedPoint {
  point: LatLng;
  at: Date;
}

export interface LocationFeed {
  /** Sends without waiting. */
  send(points: TimedPoint[]): void;
  /** Sends, and resolves when the platform has kept them; after all that was sent before. */
  report(points: TimedPoint[]): Promise<void>;
  close(): void;
}

type Message = MessageInitShape<typeof StreamLocationsRequestSchema>;

/** At most so many points a message: the contract's limit. */
const maxPoints = 100;

/** Opens the feed; the stream begins with the first points and is opened anew when it breaks. */
export function createLocationFeed(
  login: Login,
  signal: AbortSignal,
  unexpected: (what: string, error: unknown) => void,
): LocationFeed {
  const queue: Message[] = [];
  let wake: (() => void) | undefined;
  let closed = false;
  let open = false;

  const messages = async function* (): AsyncGenerator<Message> {
    for (;;) {
      if (closed) return;
      const next = queue.shift();
      if (next) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  };

  const stream = async (): Promise<void> => {
    open = true;
    try {
      await login.api.location.streamLocations(messages(), await login.options());
    } catch (error) {
      if (!closed && !signal.aborted) unexpected("StreamLocations", error);
    } finally {
      open = false;
    }
  };

  const messageOf = (points: TimedPoint[]): Message => ({
    driverId: login.userId,
    points: points.map(({ point, at }) => ({
      point,
      observeTime: timestampFromDate(at),
      accuracyMeters: 5,
    })),
  });

  return {
    send: (points) => {
      for (let i = 0; i < points.length; i += maxPoints) {
        queue.push(messageOf(points.slice(i, i + maxPoints)));
      }
      if (points.length === 0 || closed) return;
      if (!open) void stream();
      wake?.();
    },
    report: async (points) => {
      // What the stream still holds is older: it goes first, in the same batches.
      const waiting = queue.splice(0).flatMap((message) => message.points ?? []);
      const all = [...waiting, ...(messageOf(points).points ?? [])];
      for (let i = 0; i < all.length; i += maxPoints) {
        await login.api.location.batchReportLocations(
          { driverId: login.userId, points: all.slice(i, i + maxPoints) },
          await login.options(),
        );
      }
    },
    close: () => {
      closed = true;
      wake?.();
    },
  };
}
