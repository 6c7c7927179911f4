import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { RestoreProgress } from "../../src/runtime/progress.ts";

/** A progress on a clock that the test moves. */
function watched() {
  const notices: string[] = [];
  let now = 7_000;
  const clock = { now: () => 0, monotonic: () => now };
  const progress = new RestoreProgress("totals-0", clock, ({ message }) => void notices.push(message));
  const read = (ms: number, records: number, offset: number) => {
    now += ms;
    progress.records += records;
    progress.reach(offset);
  };
  return { progress, notices, read };
}

test("a long restore is told at its start, every 5 s and at its end, with its share by offset", () => {
  const { progress, notices, read } = watched();
  progress.begin(1_000, 101_000);
  read(4_999, 5_000, 11_000);
  read(1, 5_000, 26_000);
  read(4_999, 1_000, 51_000);
  read(1, 9_000, 61_000);
  read(2_500, 0, 101_003);
  progress.finish();
  deepEqual(notices, [
    "Task totals-0 restores its store: it reads its changelog from offset 1000 to 101000",
    "Task totals-0 restores its store: offset 26000 of 101000 (25 %), 10000 records at 2000/s, about 15 s left",
    "Task totals-0 restores its store: offset 61000 of 101000 (60 %), 20000 records at 2000/s, about 7 s left",
    "Task totals-0 has restored its store: 20000 records in 13 s, 1600/s",
  ]);
});

test("a short restore is not worth a word, unless it is slow", () => {
  const { progress, notices, read } = watched();
  progress.begin(0, 9_999);
  read(4_999, 9_999, 9_999);
  progress.finish();
  deepEqual(notices, []);
  progress.begin(0, 10);
  read(5_000, 0, 0);
  read(5_000, 1, 5);
  read(5_000, 1, 10);
  progress.finish();
  deepEqual(notices, [
    "Task totals-0 restores its store: offset 0 of 10 (0 %), 0 records at 0/s",
    "Task totals-0 restores its store: offset 5 of 10 (50 %), 1 records at 0/s, about 10 s left",
    "Task totals-0 has restored its store: 2 records in 15 s, 0/s",
  ]);
});

test("figures are there once it has begun, and begin again with a rebuild", () => {
  const { progress, read } = watched();
  equal(progress.figures(), undefined);
  equal(progress.remaining, 0);
  progress.begin(10, 40);
  deepEqual(progress.figures(), { records: 0, position: 10, end: 40, percent: 0, recordsPerSecond: 0 });
  read(2_000, 4, 20);
  const some = { records: 4, position: 20, end: 40, percent: 33.3, recordsPerSecond: 2, remainingMs: 4_000 };
  deepEqual(progress.figures(), some);
  equal(progress.remaining, 20);
  progress.begin(0, 40);
  deepEqual(progress.figures(), { records: 0, position: 0, end: 40, percent: 0, recordsPerSecond: 0 });
  progress.finish();
  equal(progress.remaining, 0);
  equal(progress.figures()!.percent, 100);
  progress.begin(40, 40);
  equal(progress.figures()!.percent, 100);
});
