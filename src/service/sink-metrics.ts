import type { Attributes } from "@opentelemetry/api";
import type { SinkTask } from "../runtime/sink-task.ts";
import { ACTOR, INPUT, SINK, TASK } from "./metric-names.ts";
import type { MetricPage } from "./metric-page.ts";

/** What a task of a sink counts. */
export function addSink(page: MetricPage, task: SinkTask): void {
  const { group, figures, progress } = task;
  const labels: Attributes = { group: group.name, partition: String(task.partition) };
  page.add(TASK.commits, task.commitSeconds, labels);
  page.add(TASK.restored, progress?.records ?? 0, labels);
  page.add(TASK.remaining, progress?.remaining ?? 0, labels);
  page.add(INPUT.lag, Math.max(0, task.end - task.position), { ...labels, topic: group.topic.name });
  page.add(ACTOR.dropped, task.dropped, labels);
  for (const { actor, reason, count } of task.deadByReason) {
    page.add(ACTOR.deadLetters, count, { ...labels, ...(actor && { actor }), reason });
  }
  const own = { ...labels, sink: group.sink.name };
  page.add(SINK.batches, figures.batches, own);
  page.add(SINK.records, figures.written, own);
  page.add(SINK.retries, figures.retries, own);
  page.add(SINK.failures, figures.failures, own);
  page.add(SINK.writes, figures.writeSeconds, own);
}
