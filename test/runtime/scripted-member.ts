/** A place in a group whose decisions a test makes. */
import type { Assignment, JoinOptions, Log, Membership } from "../../src/log/log.ts";
import { TidemarkError } from "../../src/core/errors.ts";

/** A member that is told by the test what the group has agreed on. */
export class ScriptedMember implements Membership {
  /** Who it is to the group; undefined before it has joined. */
  joined: JoinOptions | undefined;
  /** How many wait for a sign that it is a member. */
  asking = 0;
  isClosed = false;
  #assignment: Assignment = { own: new Set(), addresses: new Map() };
  #isNews = false;
  #isGiven = false;
  #failure: Error | undefined;
  #changed = Promise.withResolvers<void>();
  #sign = Promise.withResolvers<void>();

  get current(): Assignment | undefined {
    return this.#isGiven ? this.#assignment : undefined;
  }

  /** The group agrees on who has what; tasks without an address are nowhere. */
  give(own: readonly string[], addresses: Readonly<Record<string, string>> = {}): void {
    this.#assignment = { own: new Set(own), addresses: new Map(Object.entries(addresses)) };
    this.#isNews = this.#isGiven = true;
    this.#wake();
    this.confirmAll();
  }

  /** The group forgets this instance, until it gives it something again. */
  expel(): void {
    this.give([]);
    this.#isGiven = false;
  }

  /** The group says that this is a member still. */
  confirmAll(): void {
    this.#sign.resolve();
    this.#sign = Promise.withResolvers();
    this.asking = 0;
  }

  /** The membership ends with an error. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
    this.confirmAll();
  }

  async next(): Promise<Assignment> {
    while (!this.#isNews && !this.#failure) await this.#changed.promise;
    if (this.#failure) throw this.#failure;
    this.#isNews = false;
    return this.#assignment;
  }

  async confirm(): Promise<ReadonlySet<string>> {
    this.asking++;
    await this.#sign.promise;
    if (this.#failure) throw this.#failure;
    return this.#assignment.own;
  }

  change(): void {}

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.fail(new TidemarkError("TIDEMARK_LOG_CLOSED", "Cannot use the group: the test closed it"));
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** The same log, where joining gives this place. Closing it closes nothing, for others use it too. */
export function joinedBy(log: Log, member: ScriptedMember): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name === "join") {
        return (options: JoinOptions) => {
          member.joined = options;
          return Promise.resolve(member);
        };
      }
      const found = Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}
