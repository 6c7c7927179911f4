/** Windows of a minute over some topics, a clock in the test's hand, and a log whose polls it sees. */
import { actor, app, type Clock, type Log, type Runtime, topic, tumbling } from "tidemark";
import { any, number, object, string } from "valibot";
import type { Batch } from "../../src/log/log.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { until } from "../http/site.ts";
import { collector } from "./machines.ts";
import { closed } from "./outputs.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

const text = new TextDecoder();

/** A clock that stands still until the test moves it. */
export class HeldClock implements Clock {
  /** How long it has gone, in ms. */
  passed = 0;
  /** What it showed at first, in ms since 1970. */
  readonly start: number;

  constructor(start = 0) {
    this.start = start;
  }

  now(): number {
    return this.start + this.passed;
  }

  monotonic(): number {
    return this.passed;
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.pause(ms, signal);
  }
}

type Poll = () => Promise<Batch[]>;

/** The same log, with something around every poll of each reader, and none that waits long. */
export function polled(log: Log, around: (places: readonly string[], poll: Poll) => Promise<Batch[]>): Log {
  return new Proxy(log, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (name !== "reader") return typeof member === "function" ? member.bind(target) : member;
      return async (from: Parameters<Log["reader"]>[0]) => {
        const reader = await target.reader(from);
        const poll = reader.poll.bind(reader);
        const places = from.map(({ topic, partition }) => `${topic} ${partition}`);
        return Object.assign(reader, {
          poll: (options: Parameters<typeof poll>[0]) => around(places, () => poll({ ...options, waitMs: 1 })),
        });
      };
    },
  });
}

/** Counts the polls of each partition's reader. */
export class Polls {
  readonly #counts = new Map<string, number>();

  count(places: readonly string[]): void {
    for (const place of places) this.#counts.set(place, (this.#counts.get(place) ?? 0) + 1);
  }

  /** Waits until a task has read, and looked at the clock after it, since now. */
  async pass(place: string): Promise<void> {
    const before = this.#counts.get(place) ?? 0;
    await until(() => (this.#counts.get(place) ?? 0) >= before + 3);
  }
}

const schema = object({ key: string(), time: number() });

/** The event time of a value. */
export const time = ({ time }: { time: number }) => time;

/** Where late records go. */
export const late = topic("late", { schema: any() });

/** Topics that one task reads together, where they have one partition, into windows of a minute. */
export function minutes(names: readonly string[], watermark: { maxOutOfOrderness: object; idleAfter?: object }) {
  const window = actor("minutes", collector).window(tumbling({ minutes: 1 })).within("updated").late(late)
    .to("closed", closed, ({ ids, start, end, at }) => ({ ids: ids.toSorted(), start, end, at }));
  const sources = names.map((name) => topic(name, { schema, time, watermark }).by(({ key }) => key));
  return app("lessons", [
    sources.reduce((one, source) => one.on(source, ({ time }) => ({ type: "record", id: `${time}` })), window),
  ]);
}

/** Puts a record of each time into a partition. */
export async function add(
  log: Log,
  topic: string,
  partition: number,
  times: readonly number[],
  key = "k",
): Promise<void> {
  const records = times.map((time) => ({ key: null, value: JSON.stringify({ key, time }), timestamp: time }));
  await log.append(topic, partition, records);
}

/** How far event time is where the windows are, of the task that is furthest behind. */
export function watermark({ tasks }: Runtime): number {
  const watermarks = tasks.filter(({ group }) => group.actors.length > 0).map(({ router }) => router.watermark);
  return Math.min(...watermarks);
}

/** `start: ids` of the windows that have closed, in the order of their ends. */
export async function windowsOf(runtime: Runtime): Promise<string[]> {
  const windows: { start: number; ids: string[] }[] = [];
  for await (const { value } of runtime.read("closed")) windows.push(JSON.parse(text.decode(value!)));
  return windows.sort((a, b) => a.start - b.start).map(({ start, ids }) => `${start}: ${ids}`);
}

/** A quarter of a minute after each of so many minutes. */
export function everyMinute(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (first + index) * MINUTE_MS + 15_000);
}
