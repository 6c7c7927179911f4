/**
 * The rows of the folder. Numbers in keys are hexadecimal of fixed width, so that the order of keys is their order.
 *
 *     format                                   the version of all this
 *     topic/<name>                             number, partitions, whether compacted
 *     batch/<topic>/<partition>/<last offset>  a batch of records, found by a seek to the first key at or after an offset
 *     start/<topic>/<partition>                the first offset that is held
 *     clean/<topic>/<partition>                how far a compacted partition is cleaned
 *     group/<group>/<topic name>/<partition>   the position a consumer group has committed
 */

/** The key of the version row. */
export const FORMAT_KEY = "format";

/** The version this code writes, and the only one it reads. */
export const FORMAT = "tidemark log 1";

/** What all keys of a kind begin with. */
type Kind = "topic" | "batch" | "start" | "clean";

/** The key of a topic's row. */
export function topicKey(name: string): string {
  return `topic/${name}`;
}

/** What the keys of one partition's rows of a kind begin with, or its one row's key. */
export function partitionKey(kind: Kind, topicNumber: number, partition: number): string {
  return `${kind}/${hex(topicNumber, 8)}/${hex(partition, 8)}`;
}

/** The key of the batch with this last offset, below the key of its partition. */
export function batchKey(partitionKey: string, last: number): string {
  return `${partitionKey}/${hex(last, 14)}`;
}

/** The last offset of the batch with this key. */
export function lastOf(batchKey: string): number {
  return Number.parseInt(batchKey.slice(-14), 16);
}

/** The key of a group's position; without a topic, what all keys of the group begin with. */
export function groupKey(group: string, topic?: string, partition?: number): string {
  const name = `group/${JSON.stringify(group).replaceAll("/", "\\/")}`;
  return topic === undefined ? name : `${name}/${topic}/${partition}`;
}

/** The range of all keys below one. */
export function below(key: string): { gt: string; lt: string } {
  return { gt: `${key}/`, lt: `${key}0` };
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}
