import type { Commit } from "../core/router.ts";
import type { Producer } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import { changelogRecords, checkpointRow } from "./changelog.ts";

/** Where a task commits to. */
interface CommitTarget {
  readonly group: string;
  readonly changelog: string;
  readonly partition: number;
  readonly producer: Producer;
  readonly store: Store;
}

/**
 * Commits one step: outputs, changelog, dead letters and offsets in one log transaction; and only after its end is known to
 * be good, the same changes in one store batch. After an error nothing is known: the task must begin again from its
 * checkpoint.
 */
export async function commit(
  { outputs, changes, checkpoint, positions }: Commit,
  to: CommitTarget,
  now: number,
): Promise<void> {
  const { group, changelog, partition, producer, store } = to;
  const transaction = await producer.begin();
  for (const { topic, partition, records } of outputs) await transaction.send(topic, partition, records);
  await transaction.send(changelog, partition, changelogRecords(changes, checkpoint, now));
  await transaction.offsets(group, positions);
  const acks = await transaction.commit();
  const { last } = acks.find((ack) => ack.topic === changelog && ack.partition === partition)!;
  await store.write([...changes, checkpointRow(last, checkpoint)]);
}
