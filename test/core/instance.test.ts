import assert from "node:assert/strict";
import { test } from "node:test";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { Instances } from "../../src/core/instance.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { assertRefused } from "./refusal.ts";

const logic = fromTransition((n: number, _event: WindowClose) => n + 1, 0);
const plain = actor("totals", logic, { version: 3 })["~actor"];
const windowed = actor("minutes", logic).window(tumbling({ minutes: 1 }))["~actor"];

test("a row's name says whose it is: the actor's, the key's and, if it has one, the window's end", () => {
  const totals = new Instances(plain, plain.folder, 10);
  const minutes = new Instances(windowed, windowed.folder, 10);
  for (const key of ["", "a!b", "\0", "__proto__", "\u{10ffff}"]) {
    assert.equal(totals.of(key).row, `a!totals!${key}`);
    const { row, window } = minutes.ofWindow(key, -60_000, 0);
    assert.equal(row, `w!minutes!40000000000000!${key}`);
    assert.deepEqual(window, { start: -60_000, end: 0 });
    assert.equal(totals.of(key), totals.of(key));
    assert.equal(minutes.ofWindow(key, -60_000, 0), minutes.ofWindow(key, -60_000, 0));
    assert.notEqual(minutes.ofWindow(key, -60_000, 0), minutes.ofWindow(key, 0, 60_000));
  }
});

test("a row carries its format, the machine's version and the state, and gives the state back", () => {
  const totals = new Instances(plain, plain.folder, 10);
  const one = totals.of("a");
  assert.equal(one.encode(), null, "no state, no row");
  one.load("[1,2,41]");
  assert.equal(one.encode(), "[1,3,41]", "it is written with the version of now");
  assert.deepEqual([one.isLoaded, one.isStored, one.isDirty], [true, true, false]);
});

test("an actor that has no row yet is loaded, not stored, and has no state", () => {
  const one = new Instances(plain, plain.folder, 10).of("a");
  one.load(undefined);
  assert.deepEqual([one.isLoaded, one.isStored, one.snapshot], [true, false, undefined]);
});

test("a row of another format is refused", () => {
  const totals = new Instances(plain, plain.folder, 10);
  assertRefused(
    () => totals.of("a").load("[2,1,41]"),
    "TIDEMARK_SNAPSHOT_UNREADABLE",
    'Cannot read a snapshot of actor "totals": its format is 2, this version knows 1',
  );
});

test("those used of late stay, older ones go, and never more than the limit and a half is kept for long", () => {
  const totals = new Instances(plain, plain.folder, 10);
  const favourite = totals.of("favourite");
  for (let n = 0; n < 1_000; n++) {
    totals.of(`${n}`);
    assert.equal(totals.of("favourite"), favourite);
    totals.trim();
    assert.ok(totals.size <= 12, `${totals.size}`);
  }
  const recent = totals.of("999");
  totals.trim();
  assert.equal(totals.of("999"), recent);
});

test("what fits is never dropped", () => {
  const totals = new Instances(plain, plain.folder, 10);
  const all = ["a", "b", "c", "d", "e"].map((key) => totals.of(key));
  for (let n = 0; n < 10; n++) totals.trim();
  for (const one of all) assert.equal(totals.of(one.key), one);
});

test("a closed window is dropped with the commit of its end, wherever it is", () => {
  for (const isOld of [false, true]) {
    const minutes = new Instances(windowed, windowed.folder, 2);
    const one = minutes.ofWindow("a", 0, 60_000);
    minutes.ofWindow("b", 0, 60_000);
    if (isOld) minutes.trim();
    one.isClosed = true;
    one.settle();
    assert.equal(minutes.size, 1);
    assert.notEqual(minutes.ofWindow("a", 0, 60_000), one);
  }
});
