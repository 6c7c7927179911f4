import { reasonOf, TidemarkError } from "../../core/errors.ts";
import { Cleaning } from "./cleaning.ts";
import type { EmbeddedPartition } from "./partition.ts";
import type { Storage } from "./storage.ts";

/** Keeps compacted partitions from growing for ever: cleans them in the background, one at a time. */
export class Cleaner {
  readonly #storage: Storage;
  readonly #minBytes: number;
  readonly #maxKeys: number;
  readonly #due = new Set<EmbeddedPartition>();
  #running: Promise<void> | undefined;
  #isStopped = false;

  /**
   * @param minBytes no cleaning begins for less appended bytes
   * @param maxKeys how many keys one pass looks at
   */
  constructor(storage: Storage, minBytes: number, maxKeys: number) {
    this.#storage = storage;
    this.#minBytes = minBytes;
    this.#maxKeys = maxKeys;
  }

  /** Looks whether partitions need to be cleaned, and sees to it. */
  consider(partitions: Iterable<EmbeddedPartition>): void {
    if (this.#isStopped) return;
    for (const partition of partitions) {
      if (this.#isDue(partition)) this.#due.add(partition);
    }
    if (this.#due.size > 0) this.#running ??= this.#run();
  }

  /** Resolves when nothing is being cleaned and nothing needs to be. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Stops after the slice that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Partitions may be added while it runs, and may have become clean since they were. */
  async #run(): Promise<void> {
    for (const partition of this.#due) {
      this.#due.delete(partition);
      if (!this.#isStopped && this.#isDue(partition)) await this.#clean(partition);
    }
    this.#running = undefined;
  }

  #isDue({ cleanliness }: EmbeddedPartition): boolean {
    return cleanliness?.isDue(this.#minBytes) ?? false;
  }

  /** A failure must not stay unseen, for the log would grow for ever: it stops all writing. */
  async #clean(partition: EmbeddedPartition): Promise<void> {
    try {
      await new Cleaning(partition, this.#storage, this.#maxKeys, () => this.#isStopped).run();
    } catch (error) {
      const wasTrimmed = error instanceof TidemarkError && error.code === "TIDEMARK_LOG_OFFSET_OUT_OF_RANGE";
      if (this.#isStopped || wasTrimmed) return;
      this.#isStopped = true;
      this.#storage.refuseWrites(reasonOf(error));
    }
  }
}
