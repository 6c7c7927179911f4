import type { AppDefinition } from "../../core/app.ts";
import type { Checkpoint } from "../../core/checkpoint.ts";
import { internal } from "../../core/topology.ts";
import { CHECKPOINT_ROW } from "../../core/row.ts";
import { watermarkFromJson } from "../../core/watermark.ts";
import type { Ack, NewRecord, Position, TopicPartition } from "../../log/log.ts";
import type { StoreCheckpoint } from "../../runtime/changelog.ts";
import type { Task } from "../../runtime/task.ts";
import type { Change } from "../../store/store.ts";
import type { Life } from "./life.ts";
import { onceOnly } from "./once-only.ts";

/** Whoever has taken a transactional id over. */
export interface Owner {
  readonly id: string;
  readonly life: Life;
  readonly task: Task | undefined;
  /** The task's tally at its last commit, by actor, topic and outcome. */
  readonly counted: Map<string, number>;
}

/** What one transaction made visible. */
interface Committed {
  readonly sent: readonly (TopicPartition & { readonly records: readonly NewRecord[] })[];
  readonly positions: readonly Position[];
  readonly acks: readonly Ack[];
}

/** Where a task stood at its last commit. */
interface Standing {
  readonly checkpoint: Checkpoint;
  /** The offset of the checkpoint in the changelog. */
  readonly offset: number;
}

/** Something an app may never do, whatever it computes. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Watches every commit and every write to a store while they happen, and knows what must hold for every app. */
export class Audit {
  /** Whether the inputs have come to their end: only then may a watermark be infinite. */
  hasEnded = false;
  commits = 0;
  /** Records by task, actor, topic and outcome, as far as they were committed. */
  readonly tally = new Map<string, number>();
  readonly #app: AppDefinition;
  readonly #owners = new Map<string, Owner>();
  readonly #standings = new Map<string, Standing>();
  /** Every checkpoint there ever was, by changelog partition and offset. */
  readonly #checkpoints = new Map<string, string>();
  readonly #once = new Map<string, number>();

  constructor(app: AppDefinition) {
    this.#app = app;
  }

  /** Where a task stood at its last commit, by its changelog's partition. */
  standing({ topic, partition }: TopicPartition): Standing | undefined {
    return this.#standings.get(`${topic}/${partition}`);
  }

  /** A process takes a transactional id over; it is the newest owner from now on. */
  takeOver(id: string, life: Life): Owner {
    const task = life.runtime?.tasks.find(({ name }) => `${this.#app.name}.${name}` === id);
    const owner = { id, life, task, counted: new Map() };
    this.#owners.set(id, owner);
    return owner;
  }

  /** A transaction has become visible. @throws Violation */
  committed(owner: Owner, { sent, positions, acks }: Committed): void {
    this.commits++;
    if (this.#owners.get(owner.id) !== owner) {
      throw new Violation(
        `${owner.life.name} committed as ${owner.id} after ${this.#owners.get(owner.id)!.life.name} took it`,
      );
    }
    for (const one of sent) for (const name of onceOnly(this.#app.name, one.topic, one.records)) this.#noteOnce(name);
    for (const { topic, partition, records } of sent) {
      if (!topic.startsWith(`${this.#app.name}.`) || !topic.endsWith(".changelog")) continue;
      const last = records.at(-1);
      if (last?.key !== CHECKPOINT_ROW) continue;
      const checkpoint = JSON.parse(last.value as string) as Checkpoint;
      this.#advance({ topic, partition }, checkpoint, positions);
      const ack = acks.find((one) => one.topic === topic && one.partition === partition)!;
      this.#standings.set(`${topic}/${partition}`, { checkpoint, offset: ack.last });
      this.#checkpoints.set(`${topic}/${partition}@${ack.last}`, last.value as string);
    }
    this.#count(owner);
  }

  /** A process writes to a store. @throws Violation when it says more than what was committed */
  readonly wrote = (life: Life, store: string, changes: readonly Change[]): void => {
    for (const [key, value] of changes) {
      if (key !== CHECKPOINT_ROW || value === null) continue;
      const { offset, checkpoint } = JSON.parse(value) as StoreCheckpoint;
      const place = `${internal.changelog(this.#app.name, checkpoint.group)}/${checkpoint.partition}@${offset}`;
      if (this.#checkpoints.get(place) === JSON.stringify(checkpoint)) continue;
      throw new Violation(`${life.name} wrote a checkpoint to store ${store} that is not committed: ${value}`);
    }
  };

  #advance(place: TopicPartition, checkpoint: Checkpoint, positions: readonly Position[]): void {
    const before = this.#standings.get(`${place.topic}/${place.partition}`)?.checkpoint;
    const name = `${checkpoint.group}-${checkpoint.partition}`;
    if (checkpoint.sequence !== (before?.sequence ?? 0) + 1) {
      throw new Violation(`Task ${name} committed ${checkpoint.sequence} after ${before?.sequence ?? "nothing"}`);
    }
    const watermark = watermarkFromJson(checkpoint.watermark);
    if (before && watermark < watermarkFromJson(before.watermark)) {
      throw new Violation(`The watermark of task ${name} went back from ${before.watermark} to ${watermark}`);
    }
    if (watermark === Infinity && !this.hasEnded) {
      throw new Violation(`The watermark of task ${name} is infinite before the inputs have ended`);
    }
    for (const { topic, offset, channels } of checkpoint.inputs) {
      const sent = positions.find((position) => position.topic === topic && position.partition === place.partition);
      if (sent?.offset !== offset) {
        throw new Violation(
          `Task ${name} committed offset ${sent?.offset} of ${topic}, and its checkpoint says ${offset}`,
        );
      }
      const old = before?.inputs.find((input) => input.topic === topic);
      if (old && offset < old.offset) {
        throw new Violation(`The offset of task ${name} on ${topic} went back from ${old.offset} to ${offset}`);
      }
      for (const [from, partition, mark] of old?.channels ?? []) {
        const now = channels.find((channel) => channel[0] === from && channel[1] === partition);
        if (now && watermarkFromJson(now[2]) >= watermarkFromJson(mark)) continue;
        throw new Violation(`Channel ${from}/${partition} of task ${name} went back from ${mark} to ${now?.[2]}`);
      }
    }
  }

  #noteOnce(name: string): void {
    const before = this.#once.get(name);
    if (before !== undefined && before !== this.commits) throw new Violation(`${name} was written by two commits`);
    this.#once.set(name, this.commits);
  }

  /** Adds what the task has counted since its last commit. */
  #count({ task, counted }: Owner): void {
    for (const { actor, topic, counts } of task?.router.tally.rows ?? []) {
      for (const [outcome, count] of Object.entries(counts)) {
        const row = `${actor ?? ""}|${topic}|${outcome}`;
        const more = count - (counted.get(row) ?? 0);
        if (more === 0) continue;
        counted.set(row, count);
        this.tally.set(row, (this.tally.get(row) ?? 0) + more);
      }
    }
  }
}
