import type { Failure } from "./dead-letter.ts";
import { reasonOf, TidemarkError } from "./errors.ts";
import { partitionFor } from "./hash.ts";
import { keyFault } from "./key.ts";
import type { LogRecord } from "./record.ts";
import type { TopicSource } from "./source.ts";
import { stackOf } from "./stack.ts";
import type { Delivery } from "./topology.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** How a delivery's source takes its key. */
export function keyFunction(delivery: Delivery): TopicSource["key"] {
  return delivery.kind === "pass" ? delivery.forward.from.key : delivery.actor.sources[delivery.source]!.from.key;
}

/** The key of a record for a delivery, or why it has none. */
export function keyOf(delivery: Delivery, record: LogRecord, value: unknown): string | Failure {
  const of = keyFunction(delivery);
  let key: unknown;
  let problem: string | undefined;
  let stack: string | undefined;
  try {
    key = of ? of(value) : record.key && utf8.decode(record.key);
    problem = keyFault(key);
    if (problem === undefined) return key as string;
  } catch (error) {
    problem = reasonOf(error);
    stack = stackOf(error);
  }
  const message = `Cannot take the key of a value: ${problem}`;
  return { reason: "TIDEMARK_KEY_INVALID", message, ...whoOf(delivery), stack };
}

/** Who could not take a record, and by which source. */
export function whoOf(delivery: Delivery): Pick<Failure, "actor" | "source"> {
  if (delivery.kind === "pass") return { actor: { name: delivery.forward.name, version: 1 } };
  const { actor: { name, version }, source } = delivery;
  return { actor: { name, version }, source };
}

/** A false claim would put one key's actors into two tasks: better no result than a wrong one. */
export function checkClaim(key: string, topic: string, actual: number, partitions: number): void {
  const expected = partitionFor(key, partitions);
  if (expected === actual) return;
  throw new TidemarkError(
    "TIDEMARK_NOT_PARTITIONED",
    `Cannot read topic "${topic}" as partitioned by its key: a record of key ${
      JSON.stringify(key.slice(0, 100))
    } is in ` +
      `partition ${actual}, Kafka's own producer would put it in ${expected} of ${partitions}; take \`partitioned: true\` off`,
  );
}
