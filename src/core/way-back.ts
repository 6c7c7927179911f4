import { TidemarkError } from "./errors.ts";
import { partitionFor } from "./hash.ts";
import type { Letter } from "./letter.ts";
import type { PlainSource } from "./source.ts";
import { type Delivery, emitterName, type Group, receiver, type SinkGroup, type Topology } from "./topology.ts";

/** Who takes a dead letter that is sent back: what of a task's work it goes to. */
interface WayBack {
  readonly group: Group | SinkGroup;
  readonly partition: number;
  /** None for a sink, at least one for others. */
  readonly deliveries: readonly Delivery[];
}

/** Reasons for which lines of input files become dead letters before they are records. */
const OF_LINES: ReadonlySet<string> = new Set(["TIDEMARK_INPUT_UNPARSABLE", "TIDEMARK_RECORD_TOO_LARGE"]);

/**
 * Finds who takes a dead letter that is sent back: the actor that refused it, where its key lives, or the sink, and nobody else;
 * what nobody got as far as seeing goes to all who read its topic.
 * @throws TIDEMARK_SEND_BACK_REFUSED
 */
export function wayBack(letter: Letter, topology: Topology): WayBack {
  const { actor, key, from, record, reason } = letter;
  if (record.offset < 0) {
    throw refused(
      letter,
      `it is the state of actor "${actor}", and no single record is to blame; put a record into its topic`,
    );
  }
  if (actor === undefined && OF_LINES.has(reason)) {
    throw refused(letter, "it is a line of an input file, and was never a record; put a sound one into its topic");
  }
  const home = actor === undefined ? undefined : topology.home.get(actor);
  const out = topology.sinks.find(({ sink }) => sink.name === actor);
  const way = out
    ? toSink(letter, out)
    : home && key !== undefined
    ? toHome(letter, home, key)
    : toReaders(letter, topology);
  if (way.partition < way.group.partitions) return way;
  throw refused(
    letter,
    `topic "${from.topic}" has no partition ${from.partition} any more; put the record into its topic`,
  );
}

/** The task that reads the partition it came from: order is kept there, and its id is of there. */
function toSink(letter: Letter, group: SinkGroup): WayBack {
  const { actor, from: { topic, partition } } = letter;
  if (group.topic.name === topic) return { group, partition, deliveries: [] };
  throw refused(letter, `sink "${actor}" reads "${group.topic.name}" now, and not "${topic}"`);
}

/** The task that has the key. */
function toHome(letter: Letter, group: Group, key: string): WayBack {
  const { actor, from } = letter;
  const listening = group.inputs.flatMap(({ topic, deliveries, inbox }) => {
    const isMessage = inbox?.actor.name === actor && topic === from.topic;
    return [...isMessage ? [inbox!] : [], ...deliveries.filter((one) => isFor(letter, one, one.kind === "fold"))];
  });
  return { group, partition: partitionFor(key, group.partitions), deliveries: only(letter, listening) };
}

/** The task that reads the partition it came from. */
function toReaders(letter: Letter, { groups }: Topology): WayBack {
  const { actor, from: { topic, partition } } = letter;
  for (const group of groups) {
    const input = group.inputs.find((one) => one.topic === topic && one.definition);
    if (!input) continue;
    if (actor === undefined) return { group, partition, deliveries: input.deliveries };
    const deliveries = input.deliveries.filter((one) => isFor(letter, one, true));
    return { group, partition, deliveries: only(letter, deliveries) };
  }
  throw refused(letter, `the app does not read "${topic}"; put the record into a topic that it reads`);
}

/** Whether a delivery is of the source a letter came by, for the one that refused it. */
function isFor({ actor, from }: Letter, delivery: Delivery, isTaken: boolean): boolean {
  if (!isTaken || receiver(delivery) !== actor) return false;
  return delivery.kind === "pass" || nameOf(delivery.actor.sources[delivery.source]!.from) === from.topic;
}

function nameOf(source: PlainSource): string {
  return source.kind === "topic" ? source.topic.name : emitterName(source.actor);
}

/** One source of the actor refused it: the others have it. */
function only(letter: Letter, deliveries: readonly Delivery[]): readonly Delivery[] {
  const { actor, source, from } = letter;
  const same = deliveries.filter((one) => one.kind !== "pass" && one.source === source);
  const found = same.length > 0 ? same : deliveries;
  if (found.length === 1) return found;
  if (found.length > 1) {
    throw refused(
      letter,
      `actor "${actor}" has other sources of "${from.topic}" now, and which of them refused it is not known`,
    );
  }
  throw refused(
    letter,
    `the app has no actor or forward "${actor}" that reads "${from.topic}"; give it one of that name`,
  );
}

function refused({ partition, offset }: Letter, why: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SEND_BACK_REFUSED", `Cannot send dead letter ${partition}/${offset} back: ${why}`);
}
