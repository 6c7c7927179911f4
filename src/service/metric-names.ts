import type { Metric } from "./metric-page.ts";

const metric = (kind: Metric["kind"]) => (name: string, unit: string, description: string): Metric => ({
  kind,
  name: /^(?:process|v8js)_/.test(name) ? name : `tidemark_${name}`,
  unit,
  description,
});
const counter = metric("counter");
const gauge = metric("gauge");
const histogram = metric("histogram");

/** What is told of each task. */
export const TASK = {
  state: gauge("task_state", "", "1 for the state a task is in, 0 for the others"),
  watermark: gauge("task_watermark_seconds", "s", "Event time up to which a task has closed what is due"),
  watermarkLag: gauge("watermark_lag_seconds", "s", "How far the watermark of a task is behind the clock"),
  held: gauge("watermark_held", "", "1 for each channel that holds the watermark of a task, 0 for the others"),
  overdue: gauge(
    "overdue_seconds",
    "s",
    "How long a task has had something to do that is due and not done, without a break",
  ),
  uncommitted: gauge("uncommitted_seconds", "s", "How long the oldest work of a task has been waiting for its commit"),
  commits: histogram("commit_duration_seconds", "s", "How long the commits of a task took"),
  restored: gauge("restored_records", "{record}", "Changelog records that the last restore of a task has read"),
  remaining: gauge("restore_remaining_records", "{record}", "Changelog records that a restore has yet to read at most"),
  storeReads: counter(
    "store_reads",
    "{read}",
    "Rows, and ranges of rows, that were not in memory and were read from the store",
  ),
  produced: counter(
    "produced_records",
    "{record}",
    "Records that a task has sent to a topic, what it tells of its watermark included",
  ),
  producedBytes: counter(
    "produced_bytes",
    "By",
    "Bytes of keys and values that a task has sent, a character counting as one",
  ),
} as const;

/** What is told of each input of a task: of a partition it reads. */
export const INPUT = {
  watermark: gauge("watermark_seconds", "s", "Event time before which no record of an input is expected any more"),
  idle: gauge("idle", "", "1 while an input is silent and holds no watermark back"),
  lag: gauge("lag_records", "{record}", "Offsets from where a task is to the last committed record of an input"),
  consumed: counter("consumed_records", "{record}", "Records that a task has read"),
  consumedBytes: counter("consumed_bytes", "By", "Bytes of keys and values that a task has read"),
  buffered: gauge("read_ahead_bytes", "By", "Bytes that were read and are not yet looked at, about"),
  age: histogram(
    "end_to_end_latency_seconds",
    "s",
    "How old by the log's timestamp the oldest and the newest record of a commit were when it was done",
  ),
} as const;

/** What is told of each actor of a task. */
export const ACTOR = {
  records: counter("records", "{record}", "Records delivered to an actor, by what became of them"),
  deadLetters: counter("dead_letters", "{record}", "Dead letters written, by reason"),
  dropped: counter("dropped_records", "{record}", "Records that are no dead letters because their policy drops them"),
  windowsClosed: counter("windows_closed", "{window}", "Windows that were closed"),
  openWindows: gauge("open_windows", "{window}", "Windows that have a state and are not closed"),
  states: gauge("actors", "{actor}", "Keys that have a state"),
  waiting: gauge(
    "waiting_records",
    "{record}",
    "Records kept for the watermark, a match or their window's end, versions of tables included",
  ),
  waitingBytes: gauge("waiting_bytes", "By", "What these records take, about"),
  timersPending: gauge("timers_pending", "{timer}", "Timers that are set and did not fire yet"),
  timersFired: counter("timers_fired", "{timer}", "Timers that have fired"),
  cached: gauge("cached_actors", "{actor}", "Actors that a task holds in memory"),
  lookups: counter("cache_lookups", "{lookup}", "How often an actor was looked for and was in memory, or was not"),
} as const;

/** What is told of each task of a sink. */
export const SINK = {
  batches: counter("sink_batches", "{batch}", "Batches, and parts of them, that a sink has written"),
  records: counter("sink_records", "{record}", "Records that a sink has written"),
  retries: counter("sink_retries", "{batch}", "Times that a batch, or a part of it, was written again after a failure"),
  failures: counter("sink_failures", "{record}", "Records that a sink could not write to the end: dead letters"),
  writes: histogram("sink_write_duration_seconds", "s", "How long a sink's writes took, failed ones too"),
} as const;

/** What is told of the instance. */
export const INSTANCE = {
  ready: gauge("ready", "", "1 when this instance is ready, as /readyz has it"),
  tasksTaken: counter("tasks_taken", "{task}", "Tasks that the group has given to this instance"),
  tasksLost: counter("tasks_lost", "{task}", "Tasks that the group has taken from this instance"),
  takeOver: histogram("take_over_duration_seconds", "s", "How long it took until a task was ready, restore included"),
  restarts: counter("task_restarts", "{restart}", "Tasks that failed and began again from their checkpoint, by reason"),
  traces: counter(
    "traces",
    "{trace}",
    "How often a sampled record, or what came of it later, was traced, or skipped as more came than may be",
  ),
  memory: gauge("process_memory_usage_bytes", "By", "Physical memory in use"),
  heap: gauge("v8js_memory_heap_used_bytes", "By", "Heap memory in use"),
  uptime: gauge("process_uptime_seconds", "s", "How long the process has been running"),
} as const;

/** What is told of each input file. */
export const FEED = {
  lines: counter("input_lines", "{line}", "Lines of an input file that are in the log"),
  records: counter("input_records", "{record}", "Records made of these lines"),
  deadLetters: counter("input_dead_letters", "{line}", "Lines that could not be turned into records"),
  bytes: counter("input_bytes", "By", "Bytes of these lines with their line ends, decompressed"),
} as const;
