import type { ActorSource } from "./actor.ts";
import { compareEntries, type Entry } from "./buffer.ts";
import { eventOf, Problem, RecordMeta } from "./content.ts";
import type { Failure } from "./dead-letter.ts";
import { reasonOf } from "./errors.ts";
import { type Event } from "./fold.ts";
import { closeWindow, fireTimer, FIRINGS_MAX, foldEvent, stopTimers } from "./folding.ts";
import { Instance } from "./instance.ts";
import { firstSession, lastTime } from "./next.ts";
import type { Publishing } from "./publishing.ts";
import { stackOf } from "./stack.ts";
import { nextTimer } from "./timers.ts";
import { type Causes, causesOf, contextOf } from "./trace-context.ts";
import { Tracing } from "./tracing.ts";
import type { EventWindow, Span } from "./window.ts";

/** What records that waited are folded with. */
export interface Acting {
  readonly publisher: Publishing;
  /** Buries a record that could not be folded. */
  readonly bury: (entry: Entry, failure: Failure) => void;
  /** Buries what led to no record's failure but an actor's own. */
  readonly buryState: (instance: Instance, failure: Failure) => void;
  /** Told of a window that is about to close. */
  readonly closing: (window: Instance) => void;
}

/** What a join sends at one time. */
interface Message {
  readonly left: Entry | undefined;
  readonly right: Entry | undefined;
  /** Why it cannot be sent. */
  readonly problem?: Problem;
}

/**
 * Does what waiting records lead to at one time, in this order: events are folded; pairs are sent that are complete then,
 * in the order of their left and right records; and then what will have no match any more.
 */
export function actAt(instance: Instance, time: number, acting: Acting): void {
  const buffer = instance.buffer!;
  const { sources } = instance.home.definition;
  const gone = new Set<Entry>();
  const now = buffer.entries.filter((entry) => entry.time === time && !entry.isPast);
  for (const entry of now) {
    if (sources[entry.source]?.side) continue;
    gone.add(entry);
    foldEntry(instance, entry, time, acting);
  }
  for (const message of pairsAt(instance, now, time)) {
    sendMessage(instance, message, time, acting);
    for (const entry of [message.left, message.right]) if (entry) noteMatch(instance, entry);
  }
  for (const entry of now) {
    const side = sources[entry.source]?.side;
    if (!side || side.join.right === "table" && side.of === "right") continue;
    entry.isPast = true;
    buffer.note(entry);
    if (side.join.right === "table") gone.add(entry);
  }
  const over = buffer.entries.filter((entry) => entry.isPast && lastTime(instance.home.definition, entry) <= time);
  // Lefts before rights; those of one side are in their order already.
  over.sort((a, b) => sideRank(sources, a) - sideRank(sources, b));
  for (const entry of over) {
    gone.add(entry);
    if (isAlone(sources[entry.source]!, entry, time)) {
      const { of } = sources[entry.source]!.side!;
      const message = { left: of === "left" ? entry : undefined, right: of === "right" ? entry : undefined };
      sendMessage(instance, message, time, acting);
    }
  }
  buffer.remove(gone);
}

function sideRank(sources: readonly ActorSource[], { source }: Entry): number {
  return sources[source]?.side?.of === "left" ? 0 : 1;
}

/** Whether a record that has no match any more is sent without one. */
function isAlone({ side }: ActorSource, entry: Entry, time: number): boolean {
  if (!side || side.join.right === "table" || entry.isMatched || entry.floor > time) return false;
  return side.join.type === "outer" || side.join.type === "left" && side.of === "left";
}

/** Only where it matters later. */
function noteMatch({ home, buffer }: Instance, entry: Entry): void {
  const { join } = home.definition.sources[entry.source]!.side!;
  if (entry.isMatched || join.type === "inner" || join.right === "table") return;
  entry.isMatched = true;
  buffer!.note(entry);
}

/** The pairs of all joins that are complete at a time, in the order of their left and right records. */
function pairsAt(instance: Instance, now: readonly Entry[], time: number): Message[] {
  const { sources } = instance.home.definition;
  const { entries } = instance.buffer!;
  const pairs: Message[] = [];
  for (const entry of now) {
    const side = sources[entry.source]?.side;
    if (!side || entry.floor > time) continue;
    const { of, join } = side;
    if (join.right === "table") {
      if (of === "left") pairs.push(...withVersion(entry, entries, join.type));
      continue;
    }
    const other = entry.source + (of === "left" ? 1 : -1);
    const reach = of === "left" ? join.beforeMs : join.afterMs;
    for (const partner of entries) {
      if (partner.source !== other || partner.floor > time || partner.time < time - reach) continue;
      // Of two of the same time the left one looks for the right one, and not also the other way round.
      if (partner.time > time || of === "right" && partner.time === time) continue;
      const pair = of === "left" ? { left: entry, right: partner } : { left: partner, right: entry };
      const match = isMatch(pair, join.where);
      if (match) pairs.push(match === true ? pair : { ...pair, problem: match });
    }
  }
  const timeOf = (entry: Entry | undefined) => entry?.time ?? 0;
  return pairs.sort((a, b) =>
    timeOf(a.left) - timeOf(b.left) || timeOf(a.right) - timeOf(b.right) || compareSides(a.left, b.left) ||
    compareSides(a.right, b.right)
  );
}

function compareSides(a: Entry | undefined, b: Entry | undefined): number {
  return a && b ? compareEntries(a, b) : 0;
}

/** Whether a pair is a match; text when that cannot be told, which says why. */
function isMatch({ left, right }: Message, where: (left: unknown, right: unknown) => boolean): boolean | Problem {
  const [a, b] = [left!.content, right!.content];
  if (a instanceof Problem) return a;
  if (b instanceof Problem) return b;
  try {
    return where(a.of, b.of);
  } catch (error) {
    return new Problem(`the join's where threw: ${reasonOf(error)}`, stackOf(error));
  }
}

/** A record with the table's version of its time, which is the newest that is not later. */
function withVersion(left: Entry, entries: readonly Entry[], type: string): Message[] {
  const version = entries.findLast((one) =>
    one.source === left.source + 1 && one.time <= left.time && one.floor <= left.time
  );
  const isThere = version !== undefined && (version.content instanceof Problem || version.content.of !== null);
  if (!isThere) return type === "left" ? [{ left, right: undefined }] : [];
  return [{ left, right: version }];
}

/** Removes the versions of tables that nobody can ask for any more: those before the newest one at the watermark. */
export function pruneVersions({ home, buffer }: Instance, watermark: number): void {
  home.definition.sources.forEach(({ side }, source) => {
    if (side?.of !== "right" || side.join.right !== "table") return;
    const versions = buffer!.entries.filter((one) => one.source === source && one.time <= watermark);
    // A version that came too late for some times does not hide an older one from them.
    const newest = versions.findLastIndex(({ floor }) => floor <= watermark);
    if (newest > 0) buffer!.remove(new Set(versions.slice(0, newest)));
  });
}

function foldEntry(instance: Instance, entry: Entry, time: number, acting: Acting): void {
  const { content } = entry;
  const event = content instanceof Problem ? content : content.of as Event;
  deliver(instance, event, entry, time, { deed: "fold", causes: causesOf(contextOf(entry.record.headers)) }, acting);
}

/** As what the fold of an event is traced. */
interface Traced {
  readonly deed: "fold" | "join";
  readonly causes: Causes;
}

/** Folds an event that an entry has led to; or buries the entry, when there is a problem instead or the fold fails. */
function deliver(
  instance: Instance,
  event: Event | Problem,
  entry: Entry,
  time: number,
  { deed, causes }: Traced,
  acting: Acting,
): void {
  const { publisher } = acting;
  const outer = publisher.tracing.enterLater(deed, instance, causes);
  const at = { time, floor: time, trace: causes.contexts.at(-1) };
  const failure = event instanceof Problem ? eventFailure(instance, event) : foldEvent(instance, event, at, publisher);
  publisher.tracing.leave(outer, failure ? "dead" : "folded", failure?.reason);
  if (failure) acting.bury(entry, failure);
  else noteRecord(instance, time);
}

/** Notes when an actor that expires had a record. */
export function noteRecord(instance: Instance, time: number): void {
  if (instance.home.definition.expireAfterMs === undefined || instance.snapshot === undefined) return;
  instance.seen = Math.max(instance.seen, time);
}

function sendMessage(instance: Instance, message: Message, time: number, acting: Acting): void {
  const { left, right } = message;
  const isRightLater = !left || right !== undefined && right.time > left.time;
  const [earlier, entry] = isRightLater ? [left, right!] : [right, left];
  const made = messageEvent(instance, message, entry, time);
  if (made === undefined) return;
  const causes = causesOf(earlier && contextOf(earlier.record.headers), contextOf(entry.record.headers));
  deliver(instance, made, entry, time, { deed: "join", causes }, acting);
}

function messageEvent(
  instance: Instance,
  { left, right, problem }: Message,
  of: Entry,
  time: number,
): Event | Problem | undefined {
  if (problem !== undefined) return problem;
  for (const entry of [left, right]) if (entry?.content instanceof Problem) return entry.content;
  const values = { left: valueOf(left), right: valueOf(right) };
  const record = { ...of.record, headers: [] };
  const meta = new RecordMeta(instance.key, time, of.topic, of.partition, record);
  return eventOf(instance.home.definition.sources[of.source]!, values, meta);
}

function valueOf(entry: Entry | undefined): unknown {
  return entry && "of" in entry.content ? entry.content.of : undefined;
}

function eventFailure({ home: { definition: { name, version } }, key }: Instance, why: Problem): Failure {
  const message = `Cannot make an event for actor "${name}": ${why.problem}`;
  return { reason: "TIDEMARK_EVENT_INVALID", message, actor: { name, version }, key, stack: why.stack };
}

/** Closes the window of records that ends at a time. */
export function closeRecords(instance: Instance, end: number, acting: Acting): void {
  const { definition } = instance.home;
  const window = definition.window as EventWindow;
  const buffer = instance.buffer!;
  if (window.kind === "session") {
    const { entries } = firstSession(buffer.entries, window);
    foldWindow(instance, { start: entries[0]!.time, end }, entries, acting);
    buffer.remove(new Set(entries));
    return;
  }
  const at = end + window.allowedLatenessMs;
  const start = end - window.sizeMs;
  const own = buffer.entries.filter(({ time, isPast }) => time === end - 1 && !isPast);
  if (own.some(({ floor }) => floor < at)) {
    foldWindow(instance, { start, end }, countedIn({ start, end }, buffer.entries, at), acting);
  }
  for (const entry of own) {
    entry.isPast = true;
    buffer.note(entry);
  }
  // What a window needs is younger than its size.
  buffer.remove(new Set(buffer.entries.filter(({ time }) => time + window.sizeMs <= end)));
}

/** The records that count in a window which closes at a watermark. */
function countedIn({ start, end }: Span, entries: readonly Entry[], closesAt: number): Entry[] {
  return entries.filter(({ time, floor }) => time >= start && time < end && floor < closesAt);
}

/** Lets a fresh machine see a window to its close. */
function foldWindow(instance: Instance, span: Span, entries: readonly Entry[], acting: Acting): void {
  const one = foldRecords(instance, span, entries, acting);
  fireUpTo(one, span.end - 1, acting);
  if (one.snapshot === undefined) return;
  acting.closing(one);
  const at = span.end + instance.home.definition.window!.allowedLatenessMs;
  const failure = closeWindow(one, at, acting.publisher);
  if (failure) acting.buryState(one, failure);
}

/** Lets a fresh machine see the records of a window, its timers in between. */
function foldRecords({ home, key, row }: Instance, span: Span, entries: readonly Entry[], acting: Acting): Instance {
  const one = new Instance(home, key, span, row);
  for (const entry of entries) {
    fireUpTo(one, entry.time, acting);
    foldEntry(one, entry, entry.time, acting);
  }
  return one;
}

/** What the windows of a key would be if no record of it came any more, the first to end first, each with its state so far. */
export function openWindows(instance: Instance): readonly Instance[] {
  const window = instance.home.definition.window as EventWindow;
  const windows: Instance[] = [];
  let left: readonly Entry[] = instance.buffer!.entries;
  if (window.kind === "session") {
    while (left.length > 0) {
      const { entries, end } = firstSession(left, window);
      windows.push(foldRecords(instance, { start: entries[0]!.time, end }, entries, NOBODY));
      left = left.slice(entries.length);
    }
    return windows;
  }
  const ends = new Set(left.filter(({ isPast }) => !isPast).map(({ time }) => time + 1));
  for (const end of ends) {
    const start = end - window.sizeMs;
    const inside = countedIn({ start, end }, left, end + window.allowedLatenessMs);
    windows.push(foldRecords(instance, { start, end }, inside, NOBODY));
  }
  return windows;
}

/** Folds that are only looked at. */
const NOBODY: Acting = {
  publisher: {
    tracing: new Tracing(undefined),
    outputsOf: () => [],
    done: () => [],
    messageTo: ({ actor, key }) => ({ topic: actor, key, record: { key: null, value: null, timestamp: 0 } }),
    send: () => {},
  },
  bury: () => {},
  buryState: () => {},
  closing: () => {},
};

function fireUpTo(instance: Instance, time: number, acting: Acting): void {
  for (let count = 0;; count++) {
    const timer = nextTimer(instance.timers);
    if (!timer || timer.due > time) return;
    const failure = count < FIRINGS_MAX ? fireTimer(instance, timer, acting.publisher) : stopTimers(instance);
    if (failure) acting.buryState(instance, failure);
  }
}
