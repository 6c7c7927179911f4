import type { Router } from "../core/router.ts";
import { type Counts, OUTCOMES } from "../core/tally.ts";
import { receiver } from "../core/topology.ts";
import type { SinkTask } from "../runtime/sink-task.ts";

/** What an app has done since it was started. */
export interface Figures {
  /** Records read from source topics. */
  readonly records: number;
  readonly windowsClosed: number;
  /** Records and lines that could not be processed. */
  readonly deadLetters: number;
  /** Times a record came too late for a window. */
  readonly late: number;
  /** Records that sinks have written; absent where nothing here has sinks. */
  readonly written?: number;
  /** The latest event time seen, in ms; undefined before the first, and after the end of all sources. */
  readonly eventTime: number | undefined;
}

/** Adds up what the tasks have counted. */
export function figuresOf(
  tasks: readonly { readonly router: Router }[],
  deadLines: number,
  sinks: readonly SinkTask[] = [],
): Figures {
  const figures = { records: 0, windowsClosed: 0, deadLetters: deadLines, late: 0 };
  let eventTime = -Infinity;
  for (const { router } of tasks) {
    figures.windowsClosed += router.windowsClosed;
    figures.deadLetters += router.deadLetters;
    figures.records += sourceRecords(router);
    for (const { counts } of router.tally.rows) figures.late += counts.late + counts.idleReturn;
    for (const { plan, lanes } of router.inputs) {
      const reached = plan.definition ? lanes[0]!.done.watermark + plan.definition.maxOutOfOrdernessMs : -Infinity;
      if (reached < Infinity) eventTime = Math.max(eventTime, reached);
    }
  }
  const known = new Set(tasks.flatMap(({ router }) => router.inputs.map(({ topic }) => topic)));
  let written = 0;
  for (const { group: { topic, isInternal }, partition, figures: own, deadLetters } of sinks) {
    written += own.written;
    figures.deadLetters += deadLetters;
    const place = `${topic.name}/${partition}`;
    if (isInternal || known.has(topic.name) || known.has(place)) continue;
    known.add(place); // another sink gets the same records
    figures.records += own.written + deadLetters;
  }
  return {
    ...figures,
    ...(sinks.length > 0 && { written }),
    eventTime: Number.isFinite(eventTime) ? eventTime : undefined,
  };
}

/** Every record is delivered to each actor that reads its topic: those of one delivery are counted, and the unreadable. */
function sourceRecords({ inputs, tally }: Router): number {
  let records = 0;
  for (const { topic, plan } of inputs) {
    const [first] = plan.deliveries;
    if (!plan.definition || !first) continue;
    const shares = plan.deliveries.filter((one) => receiver(one) === receiver(first)).length;
    for (const { actor, topic: from, counts } of tally.rows) {
      if (from !== topic) continue;
      if (actor === undefined) records += counts.dead;
      if (actor === receiver(first)) records += total(counts) / shares;
    }
  }
  return records;
}

function total(counts: Counts): number {
  return OUTCOMES.reduce((sum, outcome) => sum + counts[outcome], 0);
}
