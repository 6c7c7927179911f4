import { TidemarkError } from "../../core/errors.ts";
import type { Change, Range, Row, Store, Stores } from "../../store/store.ts";
import { memoryStores } from "../../store/memory/store.ts";
import type { Life } from "./life.ts";

/** What is told of every write to a disk, just before it. */
type WriteWatcher = (life: Life, store: string, changes: readonly Change[]) => void;

/** The disk of an instance: its stores outlive its processes, unless they are lost. */
export class Disk {
  readonly #batches = new Map<string, (readonly Change[])[]>();
  readonly #damaged = new Set<string>();
  readonly #watch: WriteWatcher;

  constructor(watch: WriteWatcher) {
    this.#watch = watch;
  }

  /** The stores, for one process. */
  stores(life: Life): Stores {
    return {
      open: (name) => life.ask("disk", `open ${name}`, () => this.#open(life, name)),
      destroy: (name) =>
        life.ask("disk", `destroy ${name}`, async () => {
          this.#batches.delete(name);
          this.#damaged.delete(name);
        }),
    };
  }

  /** A store's rows as they lie there. */
  async rows(name: string): Promise<Store> {
    const store = await memoryStores().open(name);
    await store.write((this.#batches.get(name) ?? []).flat());
    return store;
  }

  /** All is gone. */
  lose(): void {
    this.#batches.clear();
  }

  /** The newest writes are gone, as after a power loss. */
  loseNewest(most: number): void {
    for (const batches of this.#batches.values()) batches.splice(Math.max(0, batches.length - most));
  }

  /** Every store says that it is damaged when it is opened next. */
  damage(): void {
    for (const name of this.#batches.keys()) this.#damaged.add(name);
  }

  async #open(life: Life, name: string): Promise<Store> {
    if (this.#damaged.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `Cannot open the store of "${name}": the simulation damaged it`,
      );
    }
    const inner = await this.rows(name);
    const batches = this.#batches.get(name) ?? [];
    this.#batches.set(name, batches);
    return new DiskStore(life, inner, async (changes) => {
      this.#watch(life, name, changes);
      await inner.write(changes);
      batches.push(changes);
    });
  }
}

class DiskStore implements Store {
  readonly #life: Life;
  readonly #inner: Store;
  readonly #write: (changes: readonly Change[]) => Promise<void>;

  constructor(life: Life, inner: Store, write: (changes: readonly Change[]) => Promise<void>) {
    this.#life = life;
    this.#inner = inner;
    this.#write = write;
  }

  getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#life.ask("disk", "getMany", () => this.#inner.getMany(keys));
  }

  range(range: Range): Promise<Row[]> {
    return this.#life.ask("disk", "range", () => this.#inner.range(range));
  }

  write(changes: readonly Change[]): Promise<void> {
    return this.#life.ask("disk", "write", () => this.#write([...changes]));
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
