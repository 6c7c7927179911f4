import type { NewRecord } from "../log.ts";
import { BatchWriter } from "./batch.ts";

/** Records of one partition, packed into as many batches as they fill. */
export class Pack {
  readonly writers: BatchWriter[] = [];
  #open: BatchWriter | undefined;

  add(records: readonly NewRecord[]): void {
    for (const record of records) {
      if (this.#open === undefined || this.#open.isFull) {
        this.#open = new BatchWriter();
        this.writers.push(this.#open);
      }
      this.#open.add(record);
    }
  }
}
