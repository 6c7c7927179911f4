import type { Code } from "../../core/errors.ts";
import type { WatermarkJson } from "../../core/watermark.ts";

/**
 * Why event time stands where it stands, or why a sink does not go on; those that weigh most come first. The names are stable.
 *
 * - `failing`: a task fails again and again, and begins anew from its checkpoint
 * - `dead`: nobody does the work of a task: no instance has it, or the one that has it does not answer
 * - `unreachable`: the log does not say where a partition ends
 * - `stalled`: a task is stuck in one step: the log or the store does not answer, or a machine computes for ever
 * - `restoring`: a task is being taken over, and its store restored
 * - `hanging`: a sink's `write` does not end
 * - `retrying`: a sink's `write` has failed, and is tried again
 * - `overdue`: event time has passed what is still being done
 * - `paused`: so much of an input waits for another one that it is not read on
 * - `awaited`: the log holds records of an input that do not arrive, and other inputs wait for them
 * - `waiting`: records of an input wait for another one
 * - `future`: a record has moved event time far ahead of the clock
 * - `silent`: a partition is read to its end, nothing comes, and it is not idle
 * - `old`: records come, but none of them is later than what came before
 * - `empty`: a partition has never given a record with a time
 * - `slow`: a task does not keep up with what is in the log
 * - `idle`: everything is idle: event time stands where it came furthest; of a sink: it has done all there is
 * - `ended`: the sources have ended
 * - `moving`: nothing is wrong: event time goes on as records come, and a sink writes them
 */
export const CAUSES = [
  "failing",
  "dead",
  "unreachable",
  "stalled",
  "restoring",
  "hanging",
  "retrying",
  "overdue",
  "paused",
  "awaited",
  "waiting",
  "future",
  "silent",
  "old",
  "empty",
  "slow",
  "idle",
  "ended",
  "moving",
] as const;

/** One of {@link CAUSES}. */
export type Cause = (typeof CAUSES)[number];

/** A cause with all that is known of it. Of what is not known, or says nothing about this cause, there is no member. */
export interface Finding {
  readonly cause: Cause;
  /** The task it lies in. */
  readonly task: string;
  /** Where that task is: the address of its instance; absent when it is the one that was asked, or nowhere. */
  readonly instance?: string;
  /** The partition it is about: a source, or a topic of the app's own. */
  readonly topic?: string;
  readonly partition?: number;
  /** How far that has come. */
  readonly watermark?: WatermarkJson;
  /** The record that moved it there: its offset and its event time, in ms. */
  readonly record?: { readonly offset: number; readonly time: number };
  /** Offsets that are in the log and not processed: at least as many as records. */
  readonly lag?: number;
  /** Offsets that are processed in a second. */
  readonly perSecond?: number;
  /** For how long no records have come, in ms. */
  readonly silentMs?: number;
  /** After which silence it is idle, and in how long that will be, in ms. */
  readonly idleAfterMs?: number;
  readonly idleInMs?: number;
  /** How far it is ahead of the clock, in ms. */
  readonly aheadMs?: number;
  /** The inputs of the same task that it waits for, or that wait for it. */
  readonly others?: readonly { readonly topic: string; readonly partition: number }[];
  /** How far a restore is, from 0 to 100. */
  readonly percent?: number;
  readonly remainingMs?: number;
  /** Why a task failed last, and how often in a row. */
  readonly code?: Code;
  readonly times?: number;
  /** What a task is stuck in, and for how long, in ms. */
  readonly phase?: "reading" | "working" | "committing";
  readonly phaseMs?: number;
  /** The time of the first thing that is due and not done yet. */
  readonly due?: WatermarkJson;
  /** For how long there has been something due all the time, in ms. */
  readonly overdueMs?: number;
  /** Why an instance does not answer, or what a write failed with last. */
  readonly reason?: string;
  /** How many records a write has, since when they have been tried, in ms, which attempt it is, and of how many. */
  readonly records?: number;
  readonly sinceMs?: number;
  readonly attempt?: number;
  readonly attempts?: number;
  /** For how long the call of a write has been under way, in ms; absent between two. */
  readonly callMs?: number;
  /** The tasks through which it holds the one that was asked about, from that one on. */
  readonly via?: readonly string[];
}
