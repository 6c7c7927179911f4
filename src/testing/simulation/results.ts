import { type AppDefinition } from "../../core/app.ts";
import { compareText } from "../../core/key.ts";
import type { LogRecord, Position, TopicPartition } from "../../core/record.ts";
import { CHECKPOINT_ROW } from "../../core/row.ts";
import { type Group, receiver, type Topology, topology } from "../../core/topology.ts";
import type { Log } from "../../log/log.ts";
import { readEntry, type StoreCheckpoint } from "../../runtime/changelog.ts";
import { ActorReader, type ActorState } from "../../runtime/query.ts";
import { readTopic } from "../../runtime/read.ts";
import { taskName } from "../../runtime/task.ts";
import type { Store } from "../../store/store.ts";
import { type Audit, Violation } from "./audit.ts";
import type { Disk } from "./disk.ts";

/** A record of a topic at the end of a run. */
export type FoundRecord = LogRecord & TopicPartition;

/** What a run has come to. */
export class SimulationResults {
  readonly #states: ReadonlyMap<string, readonly ActorState[]>;
  readonly #records: ReadonlyMap<string, readonly FoundRecord[]>;
  readonly #committed: readonly Position[];

  /** @internal */
  constructor(
    states: ReadonlyMap<string, readonly ActorState[]>,
    records: ReadonlyMap<string, readonly FoundRecord[]>,
    committed: readonly Position[],
  ) {
    this.#states = states;
    this.#records = records;
    this.#committed = committed;
  }

  /** The committed states of an actor, task by task; of a windowed one those of its open windows. */
  states(actor: string): readonly ActorState[] {
    const found = this.#states.get(actor);
    if (!found) throw new Error(`Cannot find actor "${actor}": there are ${[...this.#states.keys()].join(", ")}`);
    return found;
  }

  /** The committed records of a topic, `<app>.dead-letters` and other internal ones too, partition by partition. */
  records(topic: string): readonly FoundRecord[] {
    const found = this.#records.get(topic);
    if (!found) throw new Error(`Cannot find topic "${topic}": there are ${[...this.#records.keys()].join(", ")}`);
    return found;
  }

  /** Those that the app has not read: messages may come to an actor that is at the end of its sources already. */
  unread(topic: string): readonly FoundRecord[] {
    return this.records(topic).filter(({ partition, offset }) => {
      const position = this.#committed.find((one) => one.topic === topic && one.partition === partition);
      return offset >= (position?.offset ?? 0);
    });
  }
}

/** What a finished run left in its log and on the disk that its last process worked on. */
export async function resultsOf(app: AppDefinition, log: Log, disk: Disk): Promise<SimulationResults> {
  const { groups } = await cut(app, log);
  const states = new Map<string, ActorState[]>(app.actors.map(({ name }) => [name, []]));
  for (const [group, partition] of tasksOf(groups)) {
    const store = await disk.rows(taskName(group, partition));
    for (const actor of group.actors) {
      for await (const state of new ActorReader(store, actor).scan()) states.get(actor.name)!.push(state);
    }
  }
  const records = new Map<string, FoundRecord[]>();
  for (const topic of (await log.topics()).keys()) records.set(topic, await Array.fromAsync(readTopic(log, topic)));
  return new SimulationResults(states, records, await log.committed(app.name));
}

/** What must hold at the end of every run. @throws Violation */
export async function checkEnd(app: AppDefinition, log: Log, disk: Disk, audit: Audit): Promise<void> {
  const { groups } = await cut(app, log);
  for (const [group, partition] of tasksOf(groups)) {
    const name = taskName(group, partition);
    const standing = audit.standing({ topic: group.changelog, partition });
    if (!standing) throw new Violation(`Task ${name} never committed`);
    if (standing.checkpoint.watermark !== "end") {
      throw new Violation(`Task ${name} did not come to the end of its inputs`);
    }
    for (const { topic, offset } of standing.checkpoint.inputs) {
      const committed = (await log.committed(app.name)).find((one) =>
        one.topic === topic && one.partition === partition
      );
      if (committed?.offset === offset) continue;
      throw new Violation(`Task ${name} stands at ${topic}@${offset}, and its group at ${committed?.offset}`);
    }
    const expected = await replayed(log, group, partition);
    const offset = standing.offset;
    expected.set(CHECKPOINT_ROW, JSON.stringify({ offset, checkpoint: standing.checkpoint } satisfies StoreCheckpoint));
    checkRows(name, expected, await rowsOf(await disk.rows(name)));
  }
  await checkTally(groups, log, audit);
}

async function cut(app: AppDefinition, log: Log): Promise<Topology> {
  return topology(app, await log.topics());
}

function tasksOf(groups: readonly Group[]): [Group, number][] {
  return groups.flatMap((group) =>
    Array.from({ length: group.partitions }, (_, partition) => [group, partition] as [Group, number])
  );
}

/** The rows that a changelog says. */
async function replayed(log: Log, { changelog }: Group, partition: number): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const record of readTopic(log, changelog, { partition })) {
    const entry = readEntry(record);
    if (entry.kind !== "change") continue;
    const [key, value] = entry.change;
    if (value === null) rows.delete(key);
    else rows.set(key, value);
  }
  return rows;
}

async function rowsOf(store: Store): Promise<Map<string, string>> {
  return new Map(await store.range({ gte: "", lt: "\u{10ffff}", limit: Infinity }));
}

function checkRows(task: string, expected: ReadonlyMap<string, string>, actual: ReadonlyMap<string, string>): void {
  for (const key of [...new Set([...expected.keys(), ...actual.keys()])].sort(compareText)) {
    if (expected.get(key) === actual.get(key)) continue;
    throw new Violation(
      `The store of task ${task} has ${actual.get(key) ?? "nothing"} at ${key}, its changelog says ${
        expected.get(key) ?? "nothing"
      }`,
    );
  }
}

/** What was delivered has come to something: each record once for every source that an actor has of its topic. */
async function checkTally(groups: readonly Group[], log: Log, { tally }: Audit): Promise<void> {
  const of = (actor: string, topic: string, outcome: string) => tally.get(`${actor}|${topic}|${outcome}`) ?? 0;
  for (const { inputs } of groups) {
    for (const { topic, definition, deliveries } of inputs) {
      if (!definition) continue;
      const records = (await Array.fromAsync(readTopic(log, topic))).length;
      for (const name of new Set(deliveries.map(receiver))) {
        const own = deliveries.filter((delivery) => receiver(delivery) === name);
        const rows = [...tally].filter(([row]) => row.startsWith(`${name}|${topic}|`));
        // What was passed on to another task of the actor is counted there once more.
        const again = own[0]!.kind === "pass" ? 0 : of(name, topic, "forwarded");
        const known = rows.reduce((sum, [, count]) => sum + count, 0) - again;
        if (known === own.length * (records - of("", topic, "dead"))) continue;
        throw new Violation(
          `Of ${records} records of ${topic} for ${own.length} sources of ${name}, these were accounted for: ` +
            [...tally].map(([row, count]) => `${row}=${count}`).join(", "),
        );
      }
    }
  }
}
