import type { TopicPartition } from "../core/record.ts";
import type { Group, Topology } from "../core/topology.ts";
import type { Settings } from "./options.ts";
import { type Progress, type Reach, reached, readerOf } from "./reach.ts";
import { type Task, taskName } from "./task.ts";
import { untilCommitted } from "./waiting.ts";

/** How long something may take, in ms, and what ends it sooner. */
interface Wait {
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Where the tasks are. */
interface PositionsOptions {
  readonly settings: Settings;
  readonly topology: () => Topology;
  /** A task of this instance. @throws TIDEMARK_NOT_READY when it is not here */
  readonly taskOf: (group: Group, partition: number) => Task;
  /** Where a task is, if that is another instance which can be reached. */
  readonly addressOf: (name: string) => string | undefined;
}

/** How far what the app reads is processed and committed. */
export class Positions {
  readonly #options: PositionsOptions;

  /** @internal */
  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  /**
   * Waits until a position is committed by the task that reads it, which must be here.
   * @throws TIDEMARK_LOG_TOPIC_UNKNOWN when the app reads no such partition, TIDEMARK_NOT_READY, TIDEMARK_POSITION_PENDING
   */
  async processed(reach: Reach, { waitMs, signal }: Wait): Promise<Progress> {
    const { settings: { clock }, topology, taskOf } = this.#options;
    const task = taskOf(readerOf(topology(), reach), reach.partition);
    return await untilCommitted(task, reach, { clock, until: clock.monotonic() + waitMs, signal });
  }

  /**
   * Waits until a partition of an actor has taken in everything that came of some positions of topics.
   * @param ask asks another instance for what {@link processed} says there
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_REQUEST_INVALID, and what {@link processed} throws
   */
  async reach(
    actor: string,
    partition: number,
    wanted: readonly Reach[],
    { waitMs, signal }: Wait,
    ask: (address: string, reach: Reach, waitMs: number) => Promise<Progress>,
  ): Promise<void> {
    const { settings: { app, clock, log }, addressOf } = this.#options;
    const topology = this.#options.topology();
    const until = clock.monotonic() + waitMs;
    const processed = async (reach: Reach): Promise<Progress> => {
      const address = addressOf(taskName(readerOf(topology, reach), reach.partition));
      const left = Math.max(0, until - clock.monotonic());
      if (address === undefined) return await this.processed(reach, { waitMs: left, signal });
      return await ask(address, reach, left);
    };
    const endOf = async (one: TopicPartition) => (await log.bounds(one)).end;
    for (const one of wanted) await reached(actor, partition, one, { app: app.name, topology, processed, endOf });
  }
}
