/** Cases of faults, which share one broker and run a few at a time. */
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { type Place, POSITIONS, type Seen, seen } from "./attempts.ts";
import { type BehindProxy, gate, kafkaBehindProxy, within } from "./behind-proxy.ts";

/** The longest that a case may take, in ms. */
export const CASE_MS = 40_000;

const few = gate(6);
const starting = kafkaBehindProxy();
starting.catch(() => {}); // every case tells

after(async () => (await starting.catch(() => undefined))?.close());

/** What a case works with. */
export interface World extends BehindProxy {
  /** Through the proxy, as a client of this case alone: rules are for its id. */
  readonly log: Log;
  readonly clientId: string;
  /** Past the proxy. */
  readonly judge: Log;
  readonly place: Place;
  /** Another log through the proxy, as another client. */
  open(clientId: string, requestTimeoutMs?: number): Promise<Log>;
}

/** A case; they run a few at a time, on one broker. */
export function caseOf(title: string, partitions: number, body: (world: World) => Promise<void>): void {
  const run = few(async () => {
    const behind = await starting;
    const name = randomUUID();
    const logs: Log[] = [];
    const open = async (brokers: string, clientId: string, requestTimeoutMs: number) => {
      logs.push(await kafkaLog({ brokers: [brokers], clientId, requestTimeoutMs }));
      return logs.at(-1)!;
    };
    try {
      await within(CASE_MS, title, async () => {
        const judge = await open(behind.direct, `judge-${name}`, 30_000);
        const place = { topic: `topic-${name}`, partitions, group: `group-${name}` };
        await judge.createTopics([{ name: place.topic, partitions }, POSITIONS]);
        const log = await open(behind.proxy.address, name, 1_000);
        const another = (clientId: string, requestTimeoutMs = 30_000) =>
          open(behind.proxy.address, `${clientId}-${name}`, requestTimeoutMs);
        await body({ ...behind, log, clientId: name, judge, place, open: another });
      });
    } finally {
      await Promise.all(logs.map((log) => log.close()));
    }
  });
  run.catch(() => {}); // the test tells
  test(title, () => run);
}

/** Reads on and on until it has come to the ends that `until` resolves with. */
export async function follow(
  log: Log,
  { topic, partitions }: Place,
  until: Promise<readonly number[]>,
): Promise<Seen[]> {
  const from = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 }));
  const reader = await log.reader(from);
  const next = from.map(() => 0);
  const found: Seen[] = [];
  let ends: readonly number[] | undefined;
  void until.then((all) => ends = all);
  while (!ends?.every((end, partition) => next[partition]! >= end)) {
    for (const batch of await reader.poll({ maxBytes: 1_048_576, waitMs: 100 })) {
      found.push(...seen(batch.partition, batch.records));
      next[batch.partition] = batch.next;
    }
  }
  await reader.close();
  return found;
}

/** By partition and offset. */
export const byPlace = (a: Seen, b: Seen) => a.partition - b.partition || a.offset - b.offset;

/**
 * Ends what the last owner of an id has left open, and waits until what it committed can be seen: a commit is answered when
 * it cannot be lost any more, which is a little earlier.
 */
export async function takeOver(log: Log, id: string): Promise<void> {
  await (await log.producer(id)).close();
}

/** The ends of all partitions. */
export async function endsOf(log: Log, { topic, partitions }: Place): Promise<number[]> {
  const bounds = Array.from({ length: partitions }, (_, partition) => log.bounds({ topic, partition }));
  return (await Promise.all(bounds)).map(({ end }) => end);
}
