import { examine, type Examiner, Step } from "./examine.ts";
import type { Input, Lane } from "./input.ts";
import type { Group } from "./topology.ts";
import { type Channel, minimum } from "./watermark.ts";

/** Records planned at a time: enough to make one look-up in the store worth its while, few enough to stay in the cache. */
const PLAN_RECORDS = 1_000;

/** The next steps of a task in the order in which they will run, which follows from the log alone. */
export class Plan {
  readonly #inputs: readonly Input[];
  readonly #group: Group;
  /** Heads that were looked at and not yet taken. */
  readonly #heads = new Map<Input, Step>();
  #steps: Step[] = [];
  #cursor = 0;
  #watermark = -Infinity;

  constructor(inputs: readonly Input[], group: Group) {
    this.#inputs = inputs;
    this.#group = group;
  }

  /** The next step. */
  get step(): Step | undefined {
    return this.#steps[this.#cursor];
  }

  /** The task's watermark after all that is planned. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Begins after what a checkpoint has. */
  restore(watermark: number): void {
    this.#watermark = watermark;
  }

  /** Makes the progress of the next step real, as it will be committed, and goes on to the one after it. */
  shift(): void {
    const { lane, change, reach, input, next, record, time } = this.#steps[this.#cursor]!;
    const { done } = lane;
    const { watermark: before } = done;
    if (change) change(done);
    else done.advance(reach);
    if (done.watermark > before) {
      lane.movedBy = record ? record.offset : -1;
      lane.movedTo = record ? time : NaN;
    }
    if (input) {
      input.done = next;
      if (record && lane.isSource) input.notePassed(record.timestamp);
    }
    if (++this.#cursor < this.#steps.length) return;
    this.#steps = [];
    this.#cursor = 0;
  }

  /**
   * Plans records until there are enough: the lowest event time first where several inputs have some. Stops where an input
   * is known to have records that were not read yet. Answers with the new steps.
   * @param now the clock, in ms, to tell records from the future
   */
  extend(now: number): readonly Step[] {
    const from = this.#steps.length;
    const examiner = { group: this.#group, now };
    while (this.#steps.length < PLAN_RECORDS) {
      const input = this.#next(examiner);
      if (!input) break;
      const step = this.#head(input, examiner);
      this.#heads.delete(input);
      input.shift();
      step.input = input;
      step.next = input.planned;
      this.add(step);
    }
    return this.#steps.slice(from);
  }

  /** Plans a change of one channel that comes with no record. */
  addChange(lane: Lane, change: (channel: Channel) => void): void {
    this.add(Step.change(lane, change));
  }

  /** Plans a step behind the others. */
  add(step: Step): void {
    const { planned } = step.lane;
    const { watermark: before, isIdle } = planned;
    if (step.change) {
      step.change(planned);
    } else {
      // What came through a repartition topic brought along how its partition stood.
      if (Number.isNaN(step.before)) step.before = before;
      planned.advance(step.reach);
    }
    // Only a channel at the minimum, or one that begins or ceases to count, can move the minimum.
    if (before <= this.#watermark || planned.isIdle !== isIdle) this.#remeasure();
    step.watermark = this.#watermark;
    this.#steps.push(step);
  }

  #remeasure(): void {
    const [first] = this.#inputs;
    const isSingle = this.#inputs.length === 1 && first!.lanes.length === 1;
    const low = isSingle ? first!.lanes[0]!.planned.watermark : minimum(planned(this.#inputs));
    if (low > this.#watermark) this.#watermark = low;
  }

  #next(examiner: Examiner): Input | undefined {
    const [first] = this.#inputs;
    if (this.#inputs.length === 1) return first!.isEmpty ? undefined : first;
    let best: Input | undefined;
    for (const input of this.#inputs) {
      if (input.isAwaited) return undefined;
      if (input.isEmpty) continue;
      if (!best || this.#head(input, examiner).time < this.#head(best, examiner).time) best = input;
    }
    return best;
  }

  #head(input: Input, examiner: Examiner): Step {
    if (this.#inputs.length === 1) return examine(input, examiner);
    const head = this.#heads.get(input) ?? examine(input, examiner);
    this.#heads.set(input, head);
    return head;
  }
}

function* planned(inputs: readonly Input[]): Iterable<Channel> {
  for (const { lanes } of inputs) for (const lane of lanes) yield lane.planned;
}
