import type { Assignment, JoinOptions, Membership } from "./log.ts";
import { closed, fenced } from "./refusals.ts";

/** The only instance there can be: it has all tasks, from the beginning until it is closed. */
export class SoleMember implements Membership {
  readonly #assignment: Assignment;
  readonly #closed = Promise.withResolvers<never>();
  readonly #group: string;
  #isTold = false;

  constructor({ group, tasks, address }: JoinOptions) {
    this.#group = group;
    this.#assignment = { own: new Set(tasks), addresses: new Map(tasks.map((task) => [task, address])) };
    this.#closed.promise.catch(() => {});
  }

  next(): Promise<Assignment> {
    if (this.#isTold) return this.#closed.promise;
    this.#isTold = true;
    return Promise.resolve(this.#assignment);
  }

  async confirm(): Promise<never> {
    throw fenced(this.#group);
  }

  async close(): Promise<void> {
    this.#closed.reject(closed("group"));
  }
}
