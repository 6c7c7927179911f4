import { type Code, reasonOf, TidemarkError } from "./errors.ts";
import { examineEmission, type Examiner, examineRecord, examineSentBack, messageWork, Step } from "./examine.ts";
import { Lane } from "./input.ts";
import type { Letter } from "./letter.ts";
import { sentBackRow } from "./row.ts";
import type { Outcome } from "./tally.ts";
import { type Delivery, receiver } from "./topology.ts";

/** What became of a dead letter that was sent back. */
export interface SentBack {
  /** When, in ms since 1970. */
  readonly at: number;
  /** For each that got it; without an actor, where nobody can get it yet. `written` is what a sink's `write` has taken. */
  readonly outcomes: readonly { readonly actor?: string; readonly outcome: Outcome | "written" }[];
}

/** A dead letter on its way back. */
export interface Returning {
  readonly letter: Letter;
  /** Who gets it, but for a sink. */
  readonly deliveries: readonly Delivery[];
  /** Told what became of it, before that is committed. */
  readonly note: (sentBack: SentBack) => void;
}

/**
 * Dead letters that are sent back: each is one more step of its task, of the record as it was and by the code of today. It
 * moves neither a watermark nor a position, and a row about it is committed with what it leads to: so it happens once. What
 * leaves through a sink is there at least once.
 */
export class Returns {
  #changes: (readonly [row: string, value: string | null])[] = [];

  /**
   * The step of a dead letter.
   * @param before the task's watermark: what has closed by now stays closed
   */
  step({ letter, deliveries, note }: Returning, examiner: Examiner, before: number): Step {
    const step = examineLetter(letter, deliveries, examiner, before);
    step.before = before;
    step.attempts = letter.attempts + 1;
    for (const work of step.works) work.windows = letter.windows;
    step.back = {
      note: (outcomes) => {
        const who = step.works.map(({ delivery }) => receiver(delivery));
        this.mark({ letter, note }, {
          at: examiner.now,
          outcomes: step.failure
            ? [{ ...(letter.actor !== undefined && { actor: letter.actor }), outcome: "dead" }]
            : outcomes.map((outcome, index) => ({ actor: who[index]!, outcome })),
        });
      },
    };
    return step;
  }

  /** Notes what became of one, to be committed with that. */
  mark({ letter, note }: Pick<Returning, "letter" | "note">, sentBack: SentBack): void {
    this.#changes.push([sentBackRow(letter.partition, letter.offset), JSON.stringify(sentBack)]);
    note(sentBack);
  }

  /** Forgets letters that the log has forgotten, by their rows. */
  forget(rows: readonly string[]): void {
    for (const row of rows) this.#changes.push([row, null]);
  }

  /** The rows that changed since the last commit. */
  changes(): readonly (readonly [row: string, value: string | null])[] {
    return this.#changes;
  }

  /** They are committed. */
  settle(): void {
    if (this.#changes.length > 0) this.#changes = [];
  }
}

function examineLetter(letter: Letter, deliveries: readonly Delivery[], examiner: Examiner, before: number): Step {
  const { record, from, actor, machineVersion: version = 1, key, source } = letter;
  const lane = new Lane(from.topic, from.partition);
  const [first] = deliveries;
  try {
    if (first!.kind !== "fold" || key === undefined) {
      const { definition } = examiner.group.inputs.find(({ topic }) => topic === from.topic)!;
      return examineRecord(lane, record, definition!, deliveries, examiner);
    }
    if (first!.source === -1) {
      return new Step(lane, record, record.timestamp, before, -Infinity, [messageWork(first!, record, key)]);
    }
    if (first!.actor.sources[first!.source]!.from.kind === "emitted") {
      return examineEmission(lane, record, first!, key, before, -Infinity);
    }
    return examineSentBack(from, record, first!, key, before, examiner.now);
  } catch (error) {
    // What would stop a task that reads it is a fault of this record here: it holds up nobody.
    const reason: Code = error instanceof TidemarkError ? error.code : "TIDEMARK_RECORD_INVALID";
    const who = { ...(actor !== undefined && { actor: { name: actor, version } }), ...(key !== undefined && { key }) };
    const failure = { reason, message: reasonOf(error), ...who, ...(source !== undefined && { source }) };
    return Step.failed(lane, record, failure, before);
  }
}
