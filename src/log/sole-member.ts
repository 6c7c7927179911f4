import type { Assignment, JoinOptions, Membership } from "./log.ts";
import { closed, fenced } from "./refusals.ts";

/** The only instance there can be: it has all tasks, from the beginning until it is closed. */
export class SoleMember implements Membership {
  #assignment: Assignment;
  readonly #address: string;
  #changed = Promise.withResolvers<void>();
  #isClosed = false;
  readonly #group: string;
  #isTold = false;

  constructor({ group, tasks, address }: JoinOptions) {
    this.#group = group;
    this.#address = address;
    this.#assignment = this.#all(tasks);
  }

  get current(): Assignment {
    return this.#assignment;
  }

  async next(): Promise<Assignment> {
    if (this.#isTold) await this.#changed.promise;
    if (this.#isClosed) throw closed("group");
    this.#isTold = true;
    return this.#assignment;
  }

  async confirm(): Promise<never> {
    throw fenced(this.#group);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#changed.resolve();
  }

  change(tasks: readonly string[]): void {
    this.#assignment = this.#all(tasks);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#isTold = false;
  }

  #all(tasks: readonly string[]): Assignment {
    return { own: new Set(tasks), addresses: new Map(tasks.map((task) => [task, this.#address])) };
  }
}
