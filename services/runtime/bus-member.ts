/**
 * A member of a consumer group on the PostgreSQL bus. It leases partitions and reads behind their
 * positions. Messages that its own process publishes are handed over directly when they follow what it
 * has seen without a gap; then nothing is read at all, and positions are recorded a few times a second.
 */
import { deadLetterSuffix, maxDeliveries, type BusMessage, type Subscription } from "./bus.js";
import type { WallClock } from "./clock.js";
import { uuidv4 } from "./ids.js";
import { startLoop, type Runnable } from "./lifecycle.js";
import type { Logger } from "./log.js";
import { statement, type Pool, type Row } from "./postgres.js";

const leaseSeconds = 5;
const renewMs = 1500;
/** Messages of one partition that are read at a time. */
const batchSize = 200;
/** What has been handled is recorded after this long; a member that is killed repeats as much. */
const recordMs = 100;
/** More than this is not kept in memory: it is read again when it can be handled. */
const maxWaiting = 5000;

interface PolledRow extends Row {
  seq: bigint;
  topic: string;
  part: number;
  id: string;
  key: string;
  type: string;
  tenant_id: string;
  payload: Buffer;
  event_time: Date;
  traceparent: string | null;
}

interface LeaseRow extends Row {
  topic: string;
  part: number;
  position: bigint;
}

const joinGroup = statement("bus_join", "SELECT bus.join_group($1, $2)");
const lease = statement<LeaseRow>("bus_lease", "SELECT * FROM bus.lease($1, $2, $3, $4, $5)");
const renew = statement("bus_renew", "SELECT bus.renew($1, $2, $3, $4)");
const poll = statement<PolledRow>("bus_poll", "SELECT * FROM bus.poll($1, $2, $3, $4, $5, $6, $7)");
const ack = statement("bus_ack", "SELECT bus.ack($1, $2, $3, $4, $5)");
const release = statement("bus_release", "SELECT bus.release($1, $2)");

/** A message with its place in a topic. */
export interface Placed {
  part: number;
  seq: bigint;
  /** The place of the message before it in its partition; 0 when there is none. */
  previous: bigint;
  message: BusMessage;
}

/** A message on its way through a member. */
interface InHand {
  topic: string;
  part: number;
  seq: bigint;
  message: BusMessage;
}

export interface Member extends Runnable {
  /** Messages that this process has just published on a topic, in their order. */
  handOver(topic: string, placed: Placed[]): void;
  /** Another process has published on the topic. */
  lookAgain(topic: string): void;
}

/** Joins the group; messages are delivered until it is stopped. */
export async function startMember(options: {
  subscription: Subscription;
  pool: Pool;
  wall: WallClock;
  log: Logger;
  publish: (messages: BusMessage[]) => Promise<void>;
}): Promise<Member> {
  const { subscription, pool, wall, log, publish } = options;
  const { group, topics, types } = subscription;
  const owner = uuidv4();
  await joinGroup(pool, [group, topics]);

  /** By partition held: up to where everything is handled or in hand. */
  let seen = new Map<string, bigint>();
  let waiting: InHand[] = [];
  /** The last message handled of each partition that is not recorded yet. */
  let handled = new Map<string, InHand>();
  let mustPoll = true;
  let polling = false;
  let leasedUntilMs = 0;
  let recordedMs = wall.monotonicMs();

  const isWanted = (message: BusMessage) => !types || types.includes(message.type);

  const loop = startLoop({
    name: `consumer-${group}`,
    wall,
    log,
    work: async (signal) => {
      if (wall.monotonicMs() >= leasedUntilMs) await takeLease();
      if (mustPoll || waiting.length > maxWaiting) await pollAll();
      const batch = waiting;
      waiting = [];
      if (batch.length > 0 && !(await handleAll(batch, signal))) mustPoll = true;
      const sinceMs = wall.monotonicMs() - recordedMs;
      if (sinceMs >= recordMs) await record();
      if (mustPoll || waiting.length > 0) return 0;
      return handled.size > 0 ? Math.max(1, recordMs - sinceMs) : renewMs;
    },
  });

  /** Takes or renews the share of the partitions. What was seen of others no longer counts. */
  async function takeLease(): Promise<void> {
    // What is handled is recorded before a partition may go to another member.
    await record();
    const rows = await lease(pool, [group, topics, owner, wall.now(), leaseSeconds]);
    leasedUntilMs = wall.monotonicMs() + renewMs;
    const before = seen;
    seen = new Map();
    for (const row of rows) {
      const key = keyOf(row);
      const known = before.get(key);
      seen.set(key, known ?? row.position);
      if (known === undefined) mustPoll = true;
    }
    waiting = waiting.filter((one) => seen.has(keyOf(one)));
    // Once in a while, whatever has been heard: word of other processes' messages may get lost.
    mustPoll = true;
  }

  /** Reads what waits behind the recorded positions. */
  async function pollAll(): Promise<void> {
    mustPoll = false;
    waiting = [];
    polling = true;
    try {
      const done = [...handled.values()];
      handled = new Map();
      recordedMs = wall.monotonicMs();
      const rows = await poll(pool, [group, owner, topics, batchSize, ...positionsOf(done)]);
      for (const [key, partition] of groupBy(rows, keyOf)) {
        if (partition.length < batchSize) seen.set(key, partition.at(-1)!.seq);
        else {
          // There may be more: what follows is not known to follow without a gap.
          seen.delete(key);
          mustPoll = true;
        }
      }
      waiting = rows.map(toInHand);
    } catch (error) {
      mustPoll = true;
      throw error;
    } finally {
      polling = false;
    }
  }

  async function record(): Promise<void> {
    recordedMs = wall.monotonicMs();
    if (handled.size === 0) return;
    const done = [...handled.values()];
    handled = new Map();
    await ack(pool, [group, owner, ...positionsOf(done)]);
  }

  /** Handles partitions side by side, the messages of one in order. Whether all were handled. */
  async function handleAll(batch: InHand[], signal: AbortSignal): Promise<boolean> {
    const done = await Promise.all(
      [...groupBy(batch, keyOf)].map(async ([key, partition]) => {
        for (const one of partition) {
          if (signal.aborted || wall.monotonicMs() >= leasedUntilMs + leaseSlackMs) return false;
          if (!(await deliver(one.message, signal))) return false;
          handled.set(key, one);
        }
        return true;
      }),
    );
    return done.every(Boolean);
  }

  /** Hands one message over, again if need be; parks it when it cannot be handled. */
  async function deliver(message: BusMessage, signal: AbortSignal): Promise<boolean> {
    if (!isWanted(message)) return true;
    const { type, id } = message;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await subscription.handle(message);
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        log.warn({ group, type, event_id: id, attempt, err: error }, "event failed");
        if (attempt >= maxDeliveries) {
          await publish([{ ...message, topic: message.topic + deadLetterSuffix }]);
          log.error({ group, type, event_id: id }, "event parked as a dead letter");
          return true;
        }
        // Not `lease`, which may hand partitions over: others of them are in hand.
        await renew(pool, [group, owner, wall.now(), leaseSeconds]);
        leasedUntilMs = wall.monotonicMs() + renewMs;
        await wall.sleep(Math.min(2000, 100 * 2 ** attempt), signal);
      }
    }
    return false;
  }

  return {
    handOver: (topic, placed) => {
      if (!topics.includes(topic)) return;
      let wanted = false;
      for (const { part, seq, previous, message } of placed) {
        const key = keyOf({ topic, part });
        if (!seen.has(key) && !mustPoll && !polling) continue;
        if (polling || mustPoll || seen.get(key) !== previous) mustPoll = true;
        else {
          seen.set(key, seq);
          waiting.push({ topic, part, seq, message });
        }
        wanted ||= isWanted(message);
      }
      if (wanted || waiting.length > maxWaiting) loop.wake();
    },
    lookAgain: (topic) => {
      if (!topics.includes(topic)) return;
      mustPoll = true;
      loop.wake();
    },
    stop: async () => {
      await loop.stop();
      await record();
      await release(pool, [group, owner]).catch((error: unknown) =>
        log.debug({ err: error }, "could not give up leases; they run out by themselves"),
      );
    },
  };
}

/** A batch that is under way may outlast the time to renew, never the lease itself. */
const leaseSlackMs = 1500;

function keyOf({ topic, part }: { topic: string; part: number }): string {
  return `${topic}/${part}`;
}

/** Topics, partitions and positions, as the functions of the bus take them. */
function positionsOf(rows: InHand[]): [string[], number[], bigint[]] {
  return [rows.map((row) => row.topic), rows.map((row) => row.part), rows.map((row) => row.seq)];
}

function toInHand(row: PolledRow): InHand {
  return {
    topic: row.topic,
    part: row.part,
    seq: row.seq,
    message: {
      id: row.id,
      topic: row.topic,
      key: row.key,
      type: row.type,
      tenantId: row.tenant_id,
      payload: row.payload,
      time: row.event_time,
      traceparent: row.traceparent ?? undefined,
    },
  };
}

/** Groups in order of first appearance. */
export function groupBy<T>(items: T[], keyOfItem: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOfItem(item));
    if (group) group.push(item);
    else groups.set(keyOfItem(item), [item]);
  }
  return groups;
}
