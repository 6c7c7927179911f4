import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

/**
 * Where something that waits takes place: in the process, which stops when that is frozen and ends with it; on its disk; or
 * at the log, where a request that has been sent takes effect whatever became of its sender.
 */
type Place = "process" | "disk" | "log";

/** A process, as far as the scheduler must know it. */
interface Sleeper {
  readonly name: string;
  readonly isFrozen: boolean;
}

/** Something that waits for its turn. */
export interface Wait {
  readonly what: string;
  readonly place: Place;
  /** Undefined for what belongs to no process, or to one that is dead. */
  life: Sleeper | undefined;
  /** The virtual time from which it may go on; Infinity while nothing has happened that it waits for. */
  at: number;
  readonly go: () => void | Promise<void>;
}

/** A run may not have more steps than this: who needs more does not come to an end. */
const STEPS_MAX = 60_000;

/**
 * Holds the time of a run, and lets one thing happen after the other. Everything that takes time is a {@link Wait}; between
 * two of them all code runs as far as it gets, so that their order is the order of everything.
 */
export class World {
  /** Virtual ms since the run began. */
  now = 0;
  steps = 0;
  readonly random: Random;
  readonly trace: Trace;
  readonly #waits: Wait[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(random: Random, trace: Trace) {
    this.random = random;
    this.trace = trace;
  }

  /** Writes into the trace. */
  tell(who: string | undefined, what: string): void {
    this.trace.add(`${this.now} ${who ?? "-"} ${what}`);
  }

  /** Ends the run with an error at its next step. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Something waits from now on. */
  add(wait: Wait): Wait {
    this.#waits.push(wait);
    return wait;
  }

  /** Something waits no more. */
  remove(wait: Wait): void {
    const index = this.#waits.indexOf(wait);
    if (index >= 0) this.#waits.splice(index, 1);
  }

  /** All that waits for a process. */
  of(life: Sleeper): Wait[] {
    return this.#waits.filter((wait) => wait.life === life);
  }

  /** Runs whatever can run, then lets one thing that waits go on; time passes when nothing can. */
  async step(): Promise<void> {
    await quiet();
    if (this.#failure) throw this.#failure.error;
    if (++this.steps > STEPS_MAX) throw new Error(`The run does not come to an end: it has taken ${STEPS_MAX} steps`);
    const ready = this.#ready();
    const index = ready[this.random.below(ready.length)]!;
    const [wait] = this.#waits.splice(index, 1);
    this.tell(wait!.life?.name, wait!.what);
    await wait!.go();
    if (this.random.chance(0.05)) this.now += this.random.between(1, 20);
  }

  /** Indices of what may go on now, after as much time as it takes for something to. */
  #ready(): number[] {
    let next = Infinity;
    const ready: number[] = [];
    for (let i = 0; i < this.#waits.length; i++) {
      const { life, place, at } = this.#waits[i]!;
      if (place === "process" && life?.isFrozen) continue;
      if (at <= this.now) ready.push(i);
      else if (at < next) next = at;
    }
    if (ready.length > 0) return ready;
    if (next === Infinity) throw new Error("The run hangs: nothing can go on, and nothing ever will");
    this.now = next;
    return this.#ready();
  }
}

/** Resolves when everything that can run without waiting has run. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
