import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromTransition } from "xstate";
import { actor } from "../../src/core/actor.ts";
import { OpenWindows } from "../../src/core/due.ts";
import { Instances } from "../../src/core/instance.ts";
import { timeText } from "../../src/core/row.ts";
import { tumbling, type WindowClose } from "../../src/core/window.ts";
import { Rows } from "./world.ts";

const logic = fromTransition((n: number, _event: WindowClose) => n + 1, 0);
const options = { allowedLateness: { milliseconds: 5 } };
const definition = actor("counts", logic).window(tumbling({ milliseconds: 10 }, options))["~actor"];

/** The open windows of an actor on a store. */
class Site {
  readonly rows = new Rows();
  readonly instances = new Instances(definition, definition.folder, 10);
  readonly windows = new OpenWindows(this.instances);
  pages = 0;

  /** Puts open windows into the store, as a commit would. */
  store(list: readonly (readonly [end: number, key: string])[]): void {
    this.rows.write(list.map(([end, key]) => [`w!counts!${timeText(end)}!${key}`, "[1,1,7]"]));
  }

  /** Opens a window that is not in the store. */
  open(end: number, key: string): void {
    const instance = this.instances.ofWindow(key, end - 10, end);
    instance.load(undefined);
    this.windows.add(instance);
  }

  /** Takes all windows that are due at a watermark. */
  take(watermark: number): [end: number, key: string][] {
    const taken: [number, string][] = [];
    for (;;) {
      const range = this.windows.reads(watermark);
      if (range) {
        this.pages++;
        this.windows.supply(this.rows.range(range));
      } else if (this.windows.due <= watermark && this.windows.due < Infinity) {
        const { window, key } = this.windows.take();
        taken.push([window!.end, key]);
      } else {
        return taken;
      }
    }
  }
}

test("windows are taken by end and key, those in the store and new ones merged, when end and lateness have passed", () => {
  const site = new Site();
  site.store([[20, "b"], [10, "b"], [10, "\u{10000}"], [30, "a"]]);
  for (const [end, key] of [[10, "a"], [40, "a"], [10, "\uffff"], [20, "c"], [20, "a"]] as const) site.open(end, key);
  assert.deepEqual(site.take(14), []);
  assert.deepEqual(site.take(15), [[10, "a"], [10, "b"], [10, "\uffff"], [10, "\u{10000}"]]);
  assert.deepEqual(site.take(15), []);
  assert.deepEqual(site.take(Infinity), [[20, "a"], [20, "b"], [20, "c"], [30, "a"], [40, "a"]]);
  assert.deepEqual([site.take(Infinity), site.windows.due], [[], Infinity]);
});

test("the store is read again only when something in it can be due", () => {
  const site = new Site();
  assert.deepEqual([site.take(-Infinity), site.pages], [[], 1], "once, to learn what is there");
  site.open(20, "a");
  assert.deepEqual([site.take(24), site.pages], [[], 1]);
  site.store([[20, "a"], [50, "b"]]);
  site.windows.settle();
  assert.equal(site.windows.due, 25);
  assert.deepEqual([site.take(24), site.pages], [[], 1]);
  assert.deepEqual([site.take(25), site.pages], [[[20, "a"]], 2]);
  assert.deepEqual([site.take(54), site.pages, site.windows.due], [[], 2, 55]);
  assert.deepEqual([site.take(55), site.pages], [[[50, "b"]], 2]);
});

test("an actor that is in memory is taken as it is, not as the store has it", () => {
  const site = new Site();
  site.store([[10, "a"], [10, "b"]]);
  const inMemory = site.instances.ofWindow("a", 0, 10);
  inMemory.load("[1,1,8]");
  site.windows.supply(site.rows.range(site.windows.reads(15)!));
  const seen = [site.windows.take(), site.windows.take()].map(({ snapshot, window, isStored }) => {
    return [definition.folder.view(snapshot!).context, window, isStored];
  });
  assert.deepEqual(seen, [[8, { start: 0, end: 10 }, true], [7, { start: 0, end: 10 }, true]]);
});

test("before the first record and before 1970 the order is that of times, too", () => {
  const site = new Site();
  site.store([[0, "a"], [-10, "a"], [-20, "a"], [10, "a"]]);
  site.open(-30, "b");
  assert.deepEqual(site.take(Infinity).map(([end]) => end), [-30, -20, -10, 0, 10]);
});

test("a jump over 100,000 windows takes each of them once, in order, a page of the store at a time", () => {
  const site = new Site();
  const key = (n: number) => String(n % 1_000).padStart(3, "0");
  const all = Array.from({ length: 100_000 }, (_, n): [number, string] => [(Math.floor(n / 1_000) + 1) * 10, key(n)]);
  site.store(all.filter((_, n) => n % 10 !== 0));
  for (const [end, key] of all.filter((_, n) => n % 10 === 0)) site.open(end, key);
  assert.deepEqual(site.take(1e9), all);
  assert.ok(site.pages > 30, `${site.pages}`);
});

test("commits at any moment neither lose a window nor repeat one", () => {
  const window = fc.tuple(
    fc.integer({ min: -3, max: 3 }).map((n) => n * 10),
    fc.constantFrom("", "a", "\uffff", "\u{10000}"),
  );
  const step = fc.oneof(
    fc.record({ kind: fc.constant("open" as const), window }),
    fc.record({ kind: fc.constant("take" as const), watermark: fc.integer({ min: -40, max: 40 }) }),
    fc.record({ kind: fc.constant("commit" as const) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const site = new Site();
    const open = new Map<string, [number, string]>();
    const born: [number, string][] = [];
    let reached = -Infinity;
    for (const one of [...steps, { kind: "take" as const, watermark: Infinity }]) {
      if (one.kind === "open") {
        const [end, key] = one.window;
        if (end + 5 <= reached || open.has(`${end} ${key}`)) continue;
        open.set(`${end} ${key}`, [end, key]);
        born.push([end, key]);
        site.open(end, key);
      } else if (one.kind === "take") {
        reached = Math.max(reached, one.watermark);
        const due = [...open.values()].filter(([end]) => end + 5 <= reached);
        const inOrder = due.sort(([x, a], [y, b]) => x - y || (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
        assert.deepEqual(site.take(reached), inOrder);
        for (const [end, key] of due) open.delete(`${end} ${key}`);
      } else {
        site.store(born.splice(0));
        const gone = [...site.rows].map(([row]) => row).filter((row) => {
          return ![...open.values()].some(([end, key]) => row === `w!counts!${timeText(end)}!${key}`);
        });
        site.rows.write(gone.map((row) => [row, null]));
        site.windows.settle();
      }
    }
  }));
});
