import { reasonOf, TidemarkError } from "./errors.ts";

/** A record that could not be processed, for a policy to decide on. */
export interface Refusal {
  /** Where the record was read. What is not of a topic: `@actor` for what an actor emitted, an actor's own name for its state. */
  readonly topic: string;
  readonly partition: number;
  /** -1 when no single record is to blame: then it is the state of an actor. */
  readonly offset: number;
  /** A stable code, one of `CODES`. */
  readonly reason: string;
  readonly message: string;
  /** Who refused it; undefined where nobody got as far as seeing it. */
  readonly actor: string | undefined;
  /** The actor's key, where that is known. */
  readonly key: string | undefined;
  /** How often it was refused, this time included: more than once when it had been sent back. */
  readonly attempts: number;
}

/** What is done with a record that cannot be processed. */
type Decision = "dead-letter" | "stop" | "drop";

/**
 * What to do with records that cannot be processed: "dead-letter" puts them into `<app>.dead-letters`, "stop" ends the instance
 * with TIDEMARK_POLICY_STOP before anything of the record is committed, and a function decides record by record; it may also
 * answer "drop", which only counts them. It must be pure.
 */
export type DeadLetterPolicy = "dead-letter" | "stop" | ((refusal: Refusal) => Decision);

/** @throws TIDEMARK_OPTION_INVALID */
export function checkedPolicy(policy: DeadLetterPolicy | undefined, what: string): DeadLetterPolicy | undefined {
  if (policy === undefined || policy === "dead-letter" || policy === "stop" || typeof policy === "function") {
    return policy;
  }
  throw new TidemarkError(
    "TIDEMARK_OPTION_INVALID",
    `Cannot use ${JSON.stringify(policy)} as onDeadLetter of ${what}: give "dead-letter", "stop" or a function`,
  );
}

/** What the policies of an app say. */
export class Policies {
  readonly #of: (topic: string) => DeadLetterPolicy | undefined;
  readonly #onFault: (message: string) => void;
  #hasTold = false;

  /**
   * @param of the policy for the records of a topic
   * @param onFault told once when a policy does not answer as it should: then it counts as "dead-letter"
   */
  constructor(
    of: (topic: string) => DeadLetterPolicy | undefined = () => undefined,
    onFault: (message: string) => void = () => {},
  ) {
    this.#of = of;
    this.#onFault = onFault;
  }

  /** Whether a record becomes a dead letter; else it is dropped. @throws TIDEMARK_POLICY_STOP */
  keeps(refusal: Refusal): boolean {
    const policy = this.#of(refusal.topic) ?? "dead-letter";
    const decision = typeof policy === "function" ? this.#ask(policy, refusal) : policy;
    // What was sent back holds up nobody: it has no place in the order of its partition any more.
    if (decision === "stop" && refusal.attempts === 1) throw stop(refusal);
    return decision !== "drop";
  }

  #ask(policy: (refusal: Refusal) => Decision, refusal: Refusal): Decision {
    let problem: string;
    try {
      const decision: unknown = policy(refusal);
      if (decision === "dead-letter" || decision === "stop" || decision === "drop") return decision;
      problem = `it answered ${
        typeof decision === "string" ? JSON.stringify(decision.slice(0, 100)) : typeof decision
      }`;
    } catch (error) {
      problem = `it threw: ${reasonOf(error)}`;
    }
    if (!this.#hasTold) {
      this.#hasTold = true;
      this.#onFault(
        `Cannot use what onDeadLetter says of a record of topic "${refusal.topic}": ${problem}; it became a dead letter, and so ` +
          `will the others, without a further word`,
      );
    }
    return "dead-letter";
  }
}

function stop({ topic, partition, offset, reason, message }: Refusal): TidemarkError {
  const what = offset === -1
    ? `the state of actor "${topic}" in partition ${partition}`
    : `record ${topic}/${partition}/${offset}`;
  return new TidemarkError(
    "TIDEMARK_POLICY_STOP",
    `Cannot go on past ${what}, as its policy is "stop": ${reason}: ${message}; nothing of it was committed: fix the app and ` +
      `start it again, or let onDeadLetter say "dead-letter"`,
  );
}
