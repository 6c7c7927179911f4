import { bufferedKey, bufferPrefix } from "../core/row.ts";
import type { Commit } from "../core/router.ts";

/** Somebody who wants to know what a task commits. */
export interface CommitListener {
  /** What {@link actorId} makes of the one actor it looks at, if it is one. */
  readonly actor?: string;
  /** After a commit is in the log and in the store. Must not throw, and not take long. */
  committed(commit: Commit, isTouched: boolean): void;
  /** The task commits no more: it failed, went to another instance, or was stopped. */
  ended(): void;
}

/** Tells those who listen what a task has committed, in the order of its commits. Costs nothing while nobody listens. */
export class CommitFeed {
  readonly #listeners = new Set<CommitListener>();
  #hasEnded = false;

  /** Listens, until what it returns is called. */
  listen(listener: CommitListener): () => void {
    if (this.#hasEnded) listener.ended();
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(commit: Commit): void {
    if (this.#listeners.size === 0) return;
    const wanted = new Set([...this.#listeners].map(({ actor }) => actor));
    const touched = new Set<string>();
    for (const [row] of commit.changes) {
      const actor = actorOf(row);
      if (wanted.has(actor)) touched.add(actor!);
    }
    for (const listener of this.#listeners) {
      listener.committed(commit, listener.actor !== undefined && touched.has(listener.actor));
    }
  }

  end(): void {
    this.#hasEnded = true;
    for (const listener of this.#listeners) listener.ended();
    this.#listeners.clear();
  }
}

/** Names the actor of a key, with all of its windows, as the rows that keep its state do. */
export function actorId(scanned: string, actor: string, key: string): string {
  return scanned.startsWith("b") ? bufferPrefix(actor, key) : scanned + key;
}

/** The same from the name of a row; undefined for one that is of no state. */
function actorOf(row: string): string | undefined {
  const start = row.indexOf("!", 2) + 1;
  switch (row[0]) {
    case "a":
      return row;
    case "w":
      return row.slice(0, start) + row.slice(row.indexOf("!", start) + 1);
    case "b": {
      const actor = row.slice(2, start - 1);
      return bufferPrefix(actor, bufferedKey(row, actor));
    }
    default:
      return undefined;
  }
}
