/**
 * What an app at work counts, in Prometheus' text format. The runtime's plain counters are read when somebody asks, so that
 * counting costs next to nothing. How many series there are follows from the app, its partitions and its input files: an
 * actor's key is never a label.
 */

import process from "node:process";
import type { Attributes } from "@opentelemetry/api";
import type { Input, Lane } from "../core/input.ts";
import { OUTCOMES } from "../core/tally.ts";
import { minimum } from "../core/watermark.ts";
import { isAligned } from "../core/window.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Task, TaskState } from "../runtime/task.ts";
import type { InputProgress } from "./feeds.ts";
import { ACTOR, FEED, INPUT, INSTANCE, TASK } from "./metric-names.ts";
import { MetricPage } from "./metric-page.ts";
import { addSink } from "./sink-metrics.ts";

/** Of a task with more channels only those are told that hold its watermark, and at most so many. */
const CHANNELS_MAX = 20;

const TASK_STATES: Readonly<Record<TaskState, true>> = {
  created: true,
  restoring: true,
  running: true,
  finished: true,
  closed: true,
  failed: true,
};

/** All metrics as they are now, in text. They are collected anew each time: what is gone is no longer told. */
export async function metricsText(
  runtime: Runtime,
  inputs: readonly InputProgress[] = [],
  isReady = runtime.isReady,
): Promise<string> {
  const page = new MetricPage();
  addInstance(page, runtime, isReady);
  for (const task of runtime.tasks) {
    const labels = { group: task.group.name, partition: String(task.partition) };
    addTask(page, task, labels, runtime);
    addChannels(page, task, labels);
    addWork(page, task, labels);
    addActors(page, task, labels);
    for (const input of task.router.inputs) addInput(page, task, input, { ...labels, topic: input.topic });
  }
  for (const task of runtime.sinks) {
    addState(page, task.state, { group: task.group.name, partition: String(task.partition) });
    addSink(page, task);
  }
  for (const input of inputs) addFeed(page, input);
  return await page.text();
}

function addInstance(page: MetricPage, { moves, traces }: Runtime, isReady: boolean): void {
  page.add(INSTANCE.ready, isReady ? 1 : 0);
  page.add(INSTANCE.tasksTaken, moves.taken);
  page.add(INSTANCE.tasksLost, moves.lost);
  page.add(INSTANCE.takeOver, moves.takeOverSeconds);
  for (const [reason, count] of moves.restarts) page.add(INSTANCE.restarts, count, { reason });
  for (const result of ["traced", "skipped"] as const) page.add(INSTANCE.traces, traces[result], { result });
  const { rss, heapUsed } = process.memoryUsage();
  page.add(INSTANCE.memory, rss);
  page.add(INSTANCE.heap, heapUsed);
  page.add(INSTANCE.uptime, process.uptime());
}

function addState(page: MetricPage, is: TaskState, labels: Attributes): void {
  for (const state in TASK_STATES) page.add(TASK.state, is === state ? 1 : 0, { ...labels, state });
}

function addTask(page: MetricPage, task: Task, labels: Attributes, { clock }: Runtime): void {
  const { router: { watermark }, measures, progress } = task;
  addState(page, task.state, labels);
  page.add(TASK.watermark, watermark / 1_000, labels);
  page.add(TASK.watermarkLag, (clock.now() - watermark) / 1_000, labels);
  const now = clock.monotonic();
  page.add(TASK.overdue, (now - (measures.dueSince ?? now)) / 1_000, labels);
  page.add(TASK.uncommitted, (now - (measures.uncommittedSince ?? now)) / 1_000, labels);
  page.add(TASK.commits, measures.commitSeconds, labels);
  page.add(TASK.restored, progress?.records ?? 0, labels);
  page.add(TASK.remaining, progress?.remaining ?? 0, labels);
  page.add(TASK.storeReads, measures.rowsRead, { ...labels, kind: "row" });
  page.add(TASK.storeReads, measures.rangesRead, { ...labels, kind: "range" });
}

/** A channel is called by its topic and partition, one that comes from an actor by `@`, its name and its task's partition. */
function addChannels(page: MetricPage, { router }: Task, labels: Attributes): void {
  const holding = new Set(router.holders.map(({ lane }) => lane));
  const all = router.inputs.flatMap(({ lanes }) => lanes);
  const told: Iterable<Lane> = all.length > CHANNELS_MAX ? [...holding].slice(0, CHANNELS_MAX) : all;
  for (const lane of told) {
    page.add(TASK.held, holding.has(lane) ? 1 : 0, { ...labels, channel: `${lane.topic}-${lane.partition}` });
  }
}

/** What became of records, and what was sent. */
function addWork(page: MetricPage, { router }: Task, labels: Attributes): void {
  for (const { actor, topic, counts } of router.tally.rows) {
    for (const outcome of OUTCOMES) {
      const name = outcome === "idleReturn" ? "idle_return" : outcome;
      page.add(ACTOR.records, counts[outcome], { ...labels, ...(actor && { actor }), topic, outcome: name });
    }
  }
  page.add(ACTOR.dropped, router.dropped, labels);
  for (const { actor, reason, count } of router.deadByReason) {
    page.add(ACTOR.deadLetters, count, { ...labels, ...(actor && { actor }), reason });
  }
  for (const [topic, { records, bytes }] of router.written) {
    page.add(TASK.produced, records, { ...labels, topic });
    page.add(TASK.producedBytes, bytes, { ...labels, topic });
  }
}

function addActors(page: MetricPage, { router }: Task, task: Attributes): void {
  for (const home of router.actors) {
    const { definition: { name, window }, held } = home;
    const labels = { ...task, actor: name };
    if (window) page.add(ACTOR.windowsClosed, home.windowsClosed, labels);
    if (home.keepsState) page.add(isAligned(window) ? ACTOR.openWindows : ACTOR.states, held.states, labels);
    if (home.keepsRecords) {
      page.add(ACTOR.waiting, held.records, labels);
      page.add(ACTOR.waitingBytes, held.bytes, labels);
    }
    if (home.folder.isTimed && home.keepsState) {
      page.add(ACTOR.timersPending, held.timers, labels);
      page.add(ACTOR.timersFired, home.timersFired, labels);
    }
    page.add(ACTOR.cached, home.size, labels);
    page.add(ACTOR.lookups, home.hits, { ...labels, result: "hit" });
    page.add(ACTOR.lookups, home.misses, { ...labels, result: "miss" });
  }
}

function addInput(page: MetricPage, { measures }: Task, input: Input, labels: Attributes & { topic: string }): void {
  const channels = input.lanes.map((lane) => lane.done);
  page.add(INPUT.watermark, minimum(channels) / 1_000, labels);
  page.add(INPUT.idle, channels.every(({ isIdle }) => isIdle) ? 1 : 0, labels);
  page.add(INPUT.lag, Math.max(0, input.end - input.done), labels);
  page.add(INPUT.consumed, input.recordsRead, labels);
  page.add(INPUT.consumedBytes, input.bytesRead, labels);
  page.add(INPUT.buffered, input.bytes, labels);
  const ages = measures.ages.get(input.topic);
  if (ages) page.add(INPUT.age, ages, labels);
}

function addFeed(page: MetricPage, { name, lines, records, deadLetters, bytes }: InputProgress): void {
  const labels = { input: name };
  page.add(FEED.lines, lines, labels);
  page.add(FEED.records, records, labels);
  page.add(FEED.deadLetters, deadLetters, labels);
  page.add(FEED.bytes, bytes, labels);
}
