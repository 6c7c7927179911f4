import { TidemarkError } from "../../core/errors.ts";
import type { ActorState } from "../../runtime/query.ts";
import type { LetterFilter } from "../../runtime/dead-letters.ts";
import type { ReadOptions } from "../../runtime/read.ts";
import type { Client } from "./client.ts";
import type { Source } from "./source.ts";

/** States asked for at a time: the most there may be. */
const PAGE_LIMIT = "1000";

/** A running service. */
export class ServiceSource implements Source {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async statesOf(actor: string, key: string): Promise<readonly string[]> {
    try {
      // As a parameter, because a path cannot carry every key.
      const answer = await this.#client.json(pathOf("actors", actor), { key }) as Answer;
      const open = (answer.windows ?? [answer]).map(({ window, state, context }) => ({ key, window, state, context }));
      const closed = (answer.closed ?? []).map(({ window, state, context }) => ({
        key,
        window,
        closed: true,
        state,
        context,
      }));
      return [...open, ...closed].map((one) => JSON.stringify(one));
    } catch (error) {
      if (error instanceof TidemarkError && error.code === "TIDEMARK_KEY_UNKNOWN") return [];
      throw error;
    }
  }

  async *states(actor: string): AsyncGenerator<string> {
    let cursor: string | undefined;
    for (;;) {
      const page = await this.#client.json(pathOf("actors", actor), { limit: PAGE_LIMIT, cursor }) as PageAnswer;
      for (const state of page.states) yield JSON.stringify(state);
      cursor = page.cursor;
      if (cursor === undefined) return;
    }
  }

  records(topic: string, { partition, from, limit }: ReadOptions): AsyncIterable<string> {
    const parameters = { partition: partition?.toString(), from: from?.toString(), limit: limit?.toString() };
    return this.#client.lines(pathOf("topics", topic), parameters);
  }

  async *deadLetters(filter: LetterFilter): AsyncGenerator<string> {
    for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
      const page = await this.#client.json("/dead-letters", { ...parametersOf(filter), cursor }) as Page;
      for (const letter of page.deadLetters) yield JSON.stringify(letter);
      cursor = page.cursor;
    }
  }

  async close(): Promise<void> {}
}

/** What the service says of all keys, page by page. */
interface PageAnswer {
  readonly states: readonly ActorState[];
  readonly cursor?: string;
}

/** What the service says of a key: its state, or its windows: those that are open, and those that closed of late. */
type Answer = ActorState & {
  readonly windows?: readonly Omit<ActorState, "key">[];
  readonly closed?: readonly Omit<ActorState, "key">[];
};

interface Page {
  readonly deadLetters: readonly object[];
  readonly cursor?: string;
}

/** A filter as the parameters of a request. */
export function parametersOf(filter: LetterFilter): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, value?.toString()]));
}

/** The path of an actor or a topic. */
export function pathOf(room: "actors" | "topics", name: string): string {
  return `/${room}/${encodeURIComponent(name)}`;
}
