import type { ActorState } from "../../runtime/query.ts";

/** What can be ranked: a runtime. */
export interface Ranked {
  readonly actors: readonly { readonly name: string; readonly window: unknown }[];
  scan(actor: string): AsyncIterable<ActorState>;
}

/** The keys of an actor with the largest numbers in their state. */
export interface Top {
  readonly actor: string;
  /** The field of the context that holds the number; undefined when the context itself is one. */
  readonly field: string | undefined;
  readonly rows: readonly { readonly key: string; readonly number: number }[];
}

/** Actors with more keys than this are not ranked any more. */
const KEYS_MAX = 20_000;
const ROWS = 5;
/** Ranking takes at most one part in this many of the time. */
const REST = 20;

/** Finds the largest numbers among the states of the first actor that has one number per key, now and then. */
export class Ranking {
  readonly #runtime: Ranked;
  #notBefore = 0;
  #isBusy = false;
  #isOver = false;
  #top: Top | undefined;

  constructor(runtime: Ranked) {
    this.#runtime = runtime;
  }

  /** The newest ranking; undefined while there is none, and when there are too many keys for one. */
  get top(): Top | undefined {
    return this.#top;
  }

  /**
   * Ranks anew, unless that was done less than a second ago.
   * @param now tells a time in ms that never jumps
   * @returns whether it did
   */
  async refresh(now: () => number): Promise<boolean> {
    const started = now();
    if (this.#isBusy || this.#isOver || started < this.#notBefore) return false;
    this.#isBusy = true;
    try {
      this.#top = await this.#rank();
      return true;
    } finally {
      this.#isBusy = false;
      this.#notBefore = started + Math.max(1_000, (now() - started) * REST);
    }
  }

  async #rank(): Promise<Top | undefined> {
    for (const { name, window } of this.#runtime.actors) {
      if (window) continue;
      const top = await this.#rankActor(name);
      if (top || this.#isOver) return top;
    }
    return undefined;
  }

  async #rankActor(actor: string): Promise<Top | undefined> {
    let field: string | undefined;
    let rows: { key: string; number: number }[] = [];
    let keys = 0;
    for await (const { key, context } of this.#runtime.scan(actor)) {
      if (keys === 0) field = fieldOf(context);
      const number = numberIn(context, field);
      if (number === undefined) return undefined;
      if (++keys > KEYS_MAX) {
        this.#isOver = true;
        return undefined;
      }
      rows.push({ key, number });
      if (rows.length > 1_000) rows = largest(rows);
    }
    return keys === 0 ? undefined : { actor, field, rows: largest(rows) };
  }
}

function largest(rows: { key: string; number: number }[]): { key: string; number: number }[] {
  return rows.sort((a, b) => b.number - a.number || (a.key < b.key ? -1 : 1)).slice(0, ROWS);
}

/** The one field of a context that is a number. */
function fieldOf(context: unknown): string | undefined {
  if (typeof context !== "object" || context === null) return undefined;
  const fields = Object.entries(context).filter(([, value]) => typeof value === "number");
  return fields.length === 1 ? fields[0]![0] : undefined;
}

function numberIn(context: unknown, field: string | undefined): number | undefined {
  const value = field === undefined ? context : (context as Readonly<Record<string, unknown>> | null)?.[field];
  return typeof value === "number" ? value : undefined;
}
