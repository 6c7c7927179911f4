import type { LetterFilter } from "../../runtime/dead-letters.ts";
import type { ReadOptions } from "../../runtime/read.ts";

/** Where state and records are read from: a running service, or a data folder that nobody uses. */
export interface Source {
  /**
   * The committed state of a key, or its open windows if the actor has windows, each as a line of JSON; none if there is
   * none.
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_KEY_INVALID
   */
  statesOf(actor: string, key: string): Promise<readonly string[]>;
  /** All committed states, each as a line of JSON. @throws TIDEMARK_ACTOR_UNKNOWN */
  states(actor: string): AsyncIterable<string>;
  /** The records of a topic, each as a line of JSON. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  records(topic: string, options: ReadOptions): AsyncIterable<string>;
  /** The dead letters of the app that a filter fits, each as a line of JSON. */
  deadLetters(filter: LetterFilter): AsyncIterable<string>;
  close(): Promise<void>;
}
