import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import { type Letter, readLetter } from "../core/letter.ts";
import type { SentBack } from "../core/returns.ts";
import { sentBackRow } from "../core/row.ts";
import { internal, type Topology } from "../core/topology.ts";
import { wayBack } from "../core/way-back.ts";
import type { Log } from "../log/log.ts";
import { readPartition } from "./read.ts";
import type { SendBackAnswer } from "./return-queue.ts";
import type { SinkTask } from "./sink-task.ts";
import { type Task, taskName } from "./task.ts";

/** What one page looks at and holds at most: a filter that fits few may need several. */
const PAGE = { records: 10_000, bytes: 8 * 1_048_576 } as const;

/** Which dead letters. */
export interface LetterFilter {
  /** The stable code of why they are dead. */
  readonly reason?: string | undefined;
  /** Who refused them. */
  readonly actor?: string | undefined;
  /** The key of that actor. */
  readonly key?: string | undefined;
  /** Where their records were read. */
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
  /** The timestamps of their records, in ms: from `since` on, and before `until`. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** Where a page goes on. It ends where the dead letters ended when the first page was read. */
export interface LetterCursor {
  readonly partition: number;
  readonly offset: number;
  readonly end: number;
}

/** Some of the dead letters, in the order of their places; without a cursor these are the last. */
export interface LetterPage {
  readonly letters: readonly Letter[];
  readonly cursor?: LetterCursor;
}

interface DeadLettersOptions {
  readonly app: string;
  readonly log: Log;
  /** The app as it is cut now. */
  readonly topology: () => Topology;
  /** A task that is here. @throws TIDEMARK_NOT_READY */
  readonly task: (name: string) => Task | SinkTask;
  /** Where a task is, if it is in another instance. */
  readonly addressOf: (task: string) => string | undefined;
}

/** The dead letters of an app. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #topic: string;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
    this.#topic = internal.deadLetters(options.app);
  }

  /** A page of those that a filter fits. @param limit at most so many */
  async list(filter: LetterFilter, limit: number, from?: LetterCursor): Promise<LetterPage> {
    return await listLetters(this.#options.log, this.#topic, filter, limit, from);
  }

  /** The one at a place of the dead-letter topic. @throws TIDEMARK_DEAD_LETTER_UNKNOWN */
  async get(partition: number, offset: number): Promise<Letter> {
    const { log } = this.#options;
    const partitions = (await log.topics([this.#topic])).get(this.#topic) ?? 0;
    if (partition < partitions) {
      const { start, end } = await log.bounds({ topic: this.#topic, partition });
      if (offset >= start && offset < end) {
        for await (const record of readPartition(log, { topic: this.#topic, partition }, offset, end)) {
          const letter = record.offset === offset ? readLetter(record, partition) : undefined;
          if (letter) return letter;
          break;
        }
      }
    }
    throw new TidemarkError(
      "TIDEMARK_DEAD_LETTER_UNKNOWN",
      `Cannot find dead letter ${partition}/${offset}: topic "${this.#topic}" has none there, or none any more`,
    );
  }

  /**
   * Where to ask about a dead letter and its actor, if that is another instance.
   * @throws TIDEMARK_SEND_BACK_REFUSED when nobody could take it back, and no actor is known
   */
  addressOf(letter: Letter): string | undefined {
    return this.#options.addressOf(this.#taskName(letter));
  }

  /** What became of it when it was sent back; undefined if it never was. @throws as {@link addressOf}; TIDEMARK_NOT_READY */
  async sentBack(letter: Letter): Promise<SentBack | undefined> {
    const { store } = this.#options.task(this.#taskName(letter));
    const [mark] = await store.getMany([sentBackRow(letter.partition, letter.offset)]);
    return mark === undefined ? undefined : JSON.parse(mark) as SentBack;
  }

  /**
   * Gives it to the actor that refused it, and to nobody else, if that was not done before; resolves when what that leads to
   * is committed. Its task must be here. A sink is handed it under the id it had; a crash before the commit leaves it to be
   * sent back again, and then handed over again.
   * @throws TIDEMARK_SEND_BACK_REFUSED, TIDEMARK_NOT_READY, TIDEMARK_BUSY
   */
  async sendBack(letter: Letter): Promise<SendBackAnswer> {
    const { group, partition, deliveries } = wayBack(letter, this.#options.topology());
    return await this.#options.task(taskName(group, partition)).sendBack(letter, deliveries);
  }

  #taskName(letter: Letter): string {
    const topology = this.#options.topology();
    const home = letter.actor === undefined ? undefined : topology.home.get(letter.actor);
    // A state is in the task of its key, though it cannot be sent back.
    if (home && letter.key !== undefined) return taskName(home, partitionFor(letter.key, home.partitions));
    const { group, partition } = wayBack(letter, topology);
    return taskName(group, partition);
  }
}

/** A page of the letters of a dead-letter topic. */
export async function listLetters(
  log: Log,
  topic: string,
  filter: LetterFilter,
  limit: number,
  from?: LetterCursor,
): Promise<LetterPage> {
  const letters: Letter[] = [];
  let [records, bytes] = [0, 0];
  const partitions = (await log.topics([topic])).get(topic) ?? 0;
  for (let partition = from?.partition ?? 0; partition < partitions; partition++) {
    const goesOn = from?.partition === partition;
    const bounds = await log.bounds({ topic, partition });
    const end = goesOn ? Math.min(from.end, bounds.end) : bounds.end;
    const start = goesOn ? Math.max(from.offset, bounds.start) : bounds.start;
    if (start >= end) continue;
    for await (const record of readPartition(log, { topic, partition }, start, end)) {
      if (letters.length >= limit || records >= PAGE.records || bytes >= PAGE.bytes) {
        return { letters, cursor: { partition, offset: record.offset, end } };
      }
      records++;
      const letter = readLetter(record, partition);
      if (!letter || !fits(letter, filter)) continue;
      bytes += record.value?.length ?? 0;
      letters.push(letter);
    }
  }
  return { letters };
}

function fits(letter: Letter, filter: LetterFilter): boolean {
  const { reason, actor, key, topic, partition, since = -Infinity, until = Infinity } = filter;
  const isSame = <T>(wanted: T | undefined, found: T | undefined) => wanted === undefined || wanted === found;
  const { timestamp } = letter.record;
  return isSame(reason, letter.reason) && isSame(actor, letter.actor) && isSame(key, letter.key) &&
    isSame(topic, letter.from.topic) && isSame(partition, letter.from.partition) && timestamp >= since &&
    timestamp < until;
}
