/** Keeps a server's stream open: opens it again when it ends, later and later while it fails. */
import { Code, ConnectError } from "@connectrpc/connect";

/** How the stream stands: not yet open, open, or lost and being opened again. */
export type StreamState = "connecting" | "live" | "reconnecting";

export interface FollowDeps<Message> {
  /** Opens the stream; `onOpen` may say that the server took the call, before the first message. */
  open(signal: AbortSignal, onOpen: () => void): AsyncIterable<Message>;
  /** Takes a message; `first` says that it is the first since the stream was opened. */
  onMessage(message: Message, first: boolean): void;
  onState(state: StreamState): void;
  /** Gets a new access token; rejects when there is none to be had. */
  renew(): Promise<void>;
  /** Resolves after so many milliseconds, earlier when there is reason to, and when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A number from 0 up to 1. */
  random(): number;
  /** A stream that is silent for so long is opened anew: its connection may be dead. */
  silenceMs: number;
}

const firstDelayMs = 500;
const longestDelayMs = 15_000;

/**
 * How long to wait before the n-th attempt in a row (from 0): half a second, twice as long each time,
 * 15 s at most; the upper half of it at random, so that many clients do not come back at once.
 */
export function backoffMs(attempt: number, random: number): number {
  const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** attempt);
  return delayMs / 2 + (delayMs / 2) * random;
}

/**
 * Follows a stream until `signal` aborts. Rejects with a ConnectError when trying again is of no use:
 * the caller may not, or has to log in again.
 */
export async function follow<Message>(
  deps: FollowDeps<Message>,
  signal: AbortSignal,
): Promise<void> {
  let attempt = 0;
  let renewed = false;
  let state: StreamState | undefined;
  const enter = (next: StreamState) => {
    if (next !== state) deps.onState(next);
    state = next;
  };

  enter("connecting");
  while (!signal.aborted) {
    const round = openRound(deps, signal, () => enter("live"));
    try {
      let first = true;
      for await (const message of round.messages) {
        attempt = 0;
        renewed = false;
        enter("live");
        deps.onMessage(message, first);
        first = false;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (round.silent()) continue;
      const problem = ConnectError.from(error);
      if (problem.code === Code.Unauthenticated && !renewed) {
        renewed = true;
        try {
          await deps.renew();
          continue;
        } catch (refusal) {
          if (!isPassing(refusal)) throw ConnectError.from(refusal);
          renewed = false;
        }
      } else if (problem.code !== Code.Unauthenticated && !isPassing(problem)) {
        throw problem;
      }
      if (signal.aborted) return;
      enter("reconnecting");
      const hintMs = Number(problem.metadata.get("retry-after") ?? 0) * 1000 || 0;
      await deps.sleep(Math.max(hintMs, backoffMs(attempt++, deps.random())), signal);
      continue;
    } finally {
      round.end();
    }
    if (signal.aborted) return;
    // The server ended it in order, as it does when it shuts down.
    enter("reconnecting");
    await deps.sleep(backoffMs(attempt++, deps.random()), signal);
  }
}

/** Errors that come again however often the same is asked. */
const lasting = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.AlreadyExists,
  Code.Unimplemented,
]);

/** Whether an error may be gone the next time. */
export function isPassing(error: unknown): boolean {
  return !lasting.has(ConnectError.from(error).code);
}

/** One opening of the stream, which ends when the caller's signal says so, or by silence. */
function openRound<Message>(deps: FollowDeps<Message>, signal: AbortSignal, onOpen: () => void) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal.addEventListener("abort", abort);
  let silent = false;
  let timer: ReturnType<typeof setTimeout>;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      silent = true;
      abort();
    }, deps.silenceMs);
  };
  return {
    messages: (async function* () {
      listen();
      for await (const message of deps.open(controller.signal, onOpen)) {
        listen();
        yield message;
      }
    })(),
    silent: () => silent,
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      abort();
    },
  };
}
