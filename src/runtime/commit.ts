import { topicsReadBy } from "../core/app.ts";
import type { Commit } from "../core/router.ts";
import type { Ack, Log, Producer } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import { changelogRecords, checkpointRow } from "./changelog.ts";
import type { Settings } from "./options.ts";

/** Where a task commits to. */
interface CommitTarget {
  readonly group: string;
  readonly changelog: string;
  readonly partition: number;
  readonly log: Log;
  /** As {@link topicsAhead} has them. */
  readonly ahead: ReadonlySet<string>;
  readonly producer: Producer;
  readonly store: Store;
}

/**
 * The topics that are written ahead of a commit, because an output may show twice in them. An app's internal topics, and
 * those it reads itself, are none of them: state would depend on what shows twice.
 */
export function topicsAhead({ app, guarantee }: Settings): ReadonlySet<string> {
  if (guarantee === "exactly-once") return new Set();
  const read = topicsReadBy(app["~app"]);
  return new Set([...app["~app"].topics.keys()].filter((name) => !read.has(name)));
}

/**
 * Commits one step: outputs, changelog, dead letters and offsets in one log transaction; and only after its end is known to
 * be good, the same changes in one store batch. After an error nothing is known: the task must begin again from its
 * checkpoint. Answers with where everything lies that was not written ahead.
 */
export async function commit(
  { outputs, changes, checkpoint, positions }: Commit,
  to: CommitTarget,
  now: number,
): Promise<Ack[]> {
  const { group, changelog, partition, log, ahead, producer, store } = to;
  for (const { topic, partition, records } of outputs) {
    if (ahead.has(topic)) await log.append(topic, partition, records);
  }
  const transaction = await producer.begin();
  // To different partitions at once: over a network each call is a round trip.
  await Promise.all([
    ...outputs.filter(({ topic }) => !ahead.has(topic)).map((one) =>
      transaction.send(one.topic, one.partition, one.records)
    ),
    transaction.send(changelog, partition, changelogRecords(changes, checkpoint, now)),
    transaction.offsets(group, positions),
  ]);
  const acks = await transaction.commit();
  const { last } = acks.find((ack) => ack.topic === changelog && ack.partition === partition)!;
  await store.write([...changes, checkpointRow(last, checkpoint)]);
  return acks;
}
