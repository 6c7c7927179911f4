import type { Clock } from "../../runtime/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { diskFault, type Faults, passing } from "./faults.ts";
import type { Wait, World } from "./world.ts";

/** What a call answers with that has to wait on: it has set the time at which it wants to be asked again. */
export const NOT_YET = Symbol("not yet");

/** What the wall clocks show at the beginning of a run: 2026-01-01. */
const EPOCH_MS = 1_767_225_600_000;

/** Something to be let go of by the system when a process dies. */
interface Handle {
  close(): Promise<void>;
}

/** Where a call of a process takes place; "group" is the log's, but never fails for a reason that may pass. */
type CallPlace = "log" | "disk" | "group";

/** One process, from its start to its end. Everything it waits for goes through here. */
export class Life {
  /** Which instance, and the how-manieth life of it: "b3". */
  readonly name: string;
  readonly clock: Clock;
  isFrozen = false;
  isDead = false;
  /** How far its wall clock is off, in ms. */
  wallOffMs = 0;
  /** How many of its calls failed: then it may end with an error. */
  troubles = 0;
  runtime: Runtime | undefined;
  /** Settles when it has started, or failed to. */
  readonly begun = Promise.withResolvers<Runtime>();
  readonly handles = new Set<Handle>();
  readonly #world: World;
  readonly #faults: Faults;
  readonly #crash: (life: Life) => Promise<void>;

  /** @param crash ends the process at once */
  constructor(name: string, world: World, faults: Faults, crash: (life: Life) => Promise<void>) {
    this.name = name;
    this.#world = world;
    this.#faults = faults;
    this.#crash = crash;
    this.begun.promise.catch(() => {});
    this.clock = {
      now: () => EPOCH_MS + world.now + this.wallOffMs,
      monotonic: () => world.now,
      pause: (ms, signal) => this.#pause(ms, signal),
    };
  }

  /**
   * Makes a call: it takes effect when the scheduler lets it, and is answered when the scheduler lets that. In a process that has
   * died meanwhile nothing is ever answered.
   */
  ask<T>(place: CallPlace, what: string, effect: (wait: Wait) => Promise<T | typeof NOT_YET>): Promise<T> {
    const world = this.#world;
    if (this.isDead) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const go = async () => {
        const mishap = this.isDead ? undefined : this.#faults.befalls(what, place !== "group");
        if (mishap?.kind === "crash" && !mishap.isAfter) return await this.#crash(this);
        let settle: () => void;
        const refuse = () => reject(place === "disk" ? diskFault(what) : passing(what));
        if (mishap?.kind === "error") this.troubles++;
        if (mishap?.kind === "error" && !mishap.isAfter) settle = refuse;
        else {
          try {
            const value = await effect(wait);
            if (value === NOT_YET) return void world.add(wait);
            settle = mishap?.kind === "error" ? refuse : () => resolve(value);
          } catch (error) {
            settle = () => reject(error);
          }
        }
        if (mishap?.kind === "crash") await this.#crash(this);
        else if (!this.isDead) this.#answer(what, settle);
      };
      const at = world.now + this.#faults.latencyMs();
      const wait: Wait = { what, place: place === "group" ? "process" : place, life: this, at, go };
      world.add(wait);
    });
  }

  #answer(what: string, settle: () => void): void {
    const world = this.#world;
    if (!this.isFrozen && world.random.chance(0.6)) return settle();
    const at = world.now + this.#faults.latencyMs();
    world.add({ what: `${what} is answered`, place: "process", life: this, at, go: settle });
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const world = this.#world;
    if (this.isDead) return new Promise(() => {});
    return new Promise((resolve) => {
      const end = () => {
        signal.removeEventListener("abort", end);
        world.remove(wait);
        resolve();
      };
      const wait = world.add({ what: "pause ends", place: "process", life: this, at: world.now + ms, go: end });
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });
  }
}
