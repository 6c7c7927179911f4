/**
 * What an app at work counts, in Prometheus' text format. Observable instruments read the runtime's plain counters when
 * somebody asks, so that counting costs nothing. An actor's key is never a label.
 */

import type { Attributes, BatchObservableResult, Observable } from "@opentelemetry/api";
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { OUTCOMES } from "../core/tally.ts";
import { minimum } from "../core/watermark.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Task, TaskState } from "../runtime/task.ts";

const METER = "tidemark";

/** Series of one metric at most; the default of 2,000 would mix up the counts of an app with many partitions. */
const SERIES_MAX = 100_000;

const TASK_STATES: Readonly<Record<TaskState, true>> = {
  created: true,
  restoring: true,
  running: true,
  finished: true,
  closed: true,
  failed: true,
};

/**
 * All metrics of a runtime as they are now, in text. They are collected anew each time: a meter provider that lives on
 * would repeat the last value of everything that is not observed any more.
 */
export async function metricsText(runtime: Runtime): Promise<string> {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const views = [{ instrumentName: "*", aggregationCardinalityLimit: SERIES_MAX }];
  const provider = new MeterProvider({ readers: [exporter], views });
  const instruments = instrumentsOf(provider);
  const observe = (result: BatchObservableResult) => {
    for (const task of runtime.tasks) observeTask(task, instruments, result);
  };
  provider.getMeter(METER).addBatchObservableCallback(observe, Object.values(instruments));
  const { resourceMetrics, errors } = await exporter.collect();
  if (errors.length > 0) throw errors[0];
  return new PrometheusSerializer("", false, undefined, true, true).serialize(resourceMetrics);
}

type Instruments = ReturnType<typeof instrumentsOf>;

function instrumentsOf(provider: MeterProvider) {
  const meter = provider.getMeter(METER);
  const counter = (name: string, unit: string, description: string) =>
    meter.createObservableCounter(`tidemark_${name}`, { unit, description });
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(`tidemark_${name}`, { unit, description });
  return {
    records: counter("records", "{record}", "Records delivered to an actor, by what became of them"),
    windowsClosed: counter("windows_closed", "{window}", "Windows that were closed"),
    deadLetters: counter("dead_letters", "{record}", "Dead letters that a task has written"),
    commits: counter("commits", "{commit}", "Commits of a task"),
    restored: gauge("restored_records", "{record}", "Changelog records that the last restore of a task has read"),
    remaining: gauge(
      "restore_remaining_records",
      "{record}",
      "Changelog records that a restore has yet to read at most",
    ),
    cached: gauge("cached_actors", "{actor}", "Actors that a task holds in memory"),
    taskState: gauge("task_state", "", "1 for the state a task is in, 0 for the others"),
    taskWatermark: gauge("task_watermark_seconds", "s", "Event time up to which a task has closed what is due"),
    watermark: gauge("watermark_seconds", "s", "Event time before which no record of an input is expected any more"),
    idle: gauge("idle", "", "1 while an input is silent and holds no watermark back"),
    lag: gauge("lag_records", "{record}", "Records of an input that the log holds and the task has not processed"),
  };
}

function observeTask(task: Task, to: Instruments, result: BatchObservableResult): void {
  const { router } = task;
  const labels = { group: task.group.name, partition: String(task.partition) };
  result.observe(to.deadLetters, router.deadLetters, labels);
  for (const { actor, topic, counts } of router.tally.rows) {
    for (const outcome of OUTCOMES) {
      const name = outcome === "idleReturn" ? "idle_return" : outcome;
      result.observe(to.records, counts[outcome], { ...labels, ...(actor && { actor }), topic, outcome: name });
    }
  }
  result.observe(to.windowsClosed, router.windowsClosed, labels);
  result.observe(to.commits, task.commits, labels);
  result.observe(to.restored, task.progress?.records ?? 0, labels);
  result.observe(to.remaining, task.progress?.remaining ?? 0, labels);
  result.observe(to.cached, router.cached, labels);
  for (const state in TASK_STATES) result.observe(to.taskState, task.state === state ? 1 : 0, { ...labels, state });
  observeTime(to.taskWatermark, router.watermark, labels, result);
  for (const input of router.inputs) {
    const { topic, lanes, done, end } = input;
    const channels = lanes.map((lane) => lane.done);
    observeTime(to.watermark, minimum(channels), { ...labels, topic }, result);
    result.observe(to.idle, channels.every(({ isIdle }) => isIdle) ? 1 : 0, { ...labels, topic });
    result.observe(to.lag, Math.max(0, end - done), { ...labels, topic });
  }
}

/** Leaves out what is no time: nothing was heard yet, or the sources have ended. */
function observeTime(instrument: Observable, time: number, labels: Attributes, result: BatchObservableResult): void {
  if (Number.isFinite(time)) result.observe(instrument, time / 1_000, labels);
}
