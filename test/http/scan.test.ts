import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { number, object, string } from "valibot";
import { fromTransition } from "xstate";
import { counter } from "../../actors/machines.ts";
import { partitionFor } from "../../src/core/hash.ts";
import { handler } from "../../src/http/mod.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { actor, app, session, topic, tumbling } from "../../src/mod.ts";
import { start } from "../../src/runtime/runtime.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { until } from "./site.ts";

const PARTITIONS = 3;
const watermark = { maxOutOfOrderness: { days: 1 } };
const seen = topic("seen", { schema: object({ key: string(), time: number() }), time: ({ time }) => time, watermark });
const byKey = seen.by(({ key }) => key);
const sum = fromTransition((total: number, _event: { type: "view" }) => total + 1, 0);
const kinds = app("kinds", [
  actor("totals", sum).on(byKey, () => ({ type: "view" })),
  actor("minutes", counter).window(tumbling({ minutes: 1 })).within("counted").on(byKey, () => ({ type: "view" })),
  actor("visits", counter).window(session({ seconds: 10 })).within("counted").on(byKey, () => ({ type: "view" })),
]);

interface Seen {
  readonly key: string;
  readonly time: number;
}

interface State {
  readonly key: string;
  readonly window?: { readonly start: number; readonly end: number };
}

interface Page {
  readonly states: readonly State[];
  readonly cursor?: string;
  readonly standings: readonly { readonly partition: number; readonly lag: number }[];
}

/** The app, with what was seen committed. */
async function open(t: TestContext, all: readonly Seen[]) {
  const options = {
    app: kinds,
    log: memoryLog(),
    stores: memoryStores(),
    createPartitions: PARTITIONS,
    commitIntervalMs: 0,
  };
  const runtime = await start(options);
  t.after(() => runtime.stop());
  const answer = handler({ runtime });
  let count = 0;
  const see = async (some: readonly Seen[]): Promise<void> => {
    await runtime.publish("seen", some.map((one) => ({ value: JSON.stringify(one) })));
    count += some.length;
    await until(() => ["totals", "minutes", "visits"].every((name) => taken(name) === count));
  };
  const taken = (name: string): number =>
    runtime.tasks.reduce((total, { router }) => {
      if (router.hasProgress) return NaN;
      const rows = router.tally.rows.filter(({ actor }) => actor === name);
      return total + rows.reduce((inner, { counts }) => inner + counts.folded + counts.buffered, 0);
    }, 0);
  await see(all);
  const page = async (name: string, parameters: Record<string, string> = {}): Promise<Page> => {
    const response = await answer(new Request(`http://x/actors/${name}?${new URLSearchParams(parameters)}`));
    assert.equal(response.status, 200, await response.clone().text());
    return await response.json();
  };
  return { page, see };
}

/** All pages, one after the other. */
async function pages(page: (more: Record<string, string>) => Promise<Page>, limit: number): Promise<State[]> {
  const states: State[] = [];
  for (let cursor: Record<string, string> = {};;) {
    const found = await page({ limit: String(limit), ...cursor });
    assert.ok(found.states.length <= limit);
    states.push(...found.states);
    if (found.cursor === undefined) return states;
    cursor = { cursor: found.cursor };
  }
}

/** The order of UTF-8. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The order in which states are promised: by partition, then as the kind of actor has it. */
function sorted(states: readonly State[]): State[] {
  const length = ({ key, window }: State) => window && window.end % 60_000 !== 0 ? `${key.length}:` : "";
  return states.toSorted((a, b) =>
    partitionFor(a.key, PARTITIONS) - partitionFor(b.key, PARTITIONS) ||
    (length(a) === "" ? (a.window?.end ?? 0) - (b.window?.end ?? 0) : compareBytes(length(a), length(b))) ||
    compareBytes(a.key, b.key) || (a.window?.end ?? 0) - (b.window?.end ?? 0)
  );
}

const alphabet = [
  "",
  "a",
  "b",
  "ab",
  "a!",
  "!",
  ":",
  "5:",
  "\0",
  '"',
  "é",
  "\ud7ff",
  "\ue000",
  "\u{10ffff}",
  "😀",
  "/p",
  "%2F",
];
const someKey = fc.array(fc.constantFrom(...alphabet), { maxLength: 4 }).map((parts) => parts.join(""));

test("any prefix, however the pages are cut, gives its states once each and in the promised order", async (t) => {
  const someSeen = fc.array(
    fc.record({ key: someKey, time: fc.integer({ min: 0, max: 6 }).map((n) => n * 25_000 + 1) }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  await fc.assert(
    fc.asyncProperty(someSeen, someKey, fc.integer({ min: 1, max: 9 }), async (all, prefix, limit) => {
      const { page } = await open(t, all);
      const whole = new Map<string, State>();
      for (const { key, time } of all) whole.set(JSON.stringify([key, Math.floor(time / 60_000)]), { key });
      for (const name of ["totals", "minutes", "visits"]) {
        const listed = await pages((more) => page(name, more), 1_000);
        const keys = name === "minutes" ? [...whole.values()].map(({ key }) => key) : undefined;
        assert.deepEqual(new Set(listed.map(({ key }) => key)), new Set(all.map(({ key }) => key)));
        if (keys) assert.equal(listed.length, keys.length);
        assert.deepEqual(listed, sorted(listed), name);
        const expected = listed.filter(({ key }) => key.startsWith(prefix));
        assert.deepEqual(await pages((more) => page(name, { prefix, ...more }), limit), expected, name);
      }
    }),
    { numRuns: 40 },
  );
});

test("what is there all the while is told once, whatever comes in between two pages", async (t) => {
  const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
  const { page, see } = await open(t, keys.map((key) => ({ key, time: 1 })));
  for (const name of ["totals", "minutes", "visits"]) {
    const told: string[] = [];
    for (let cursor: Record<string, string> = {}, n = 0;; n++) {
      const found = await page(name, { limit: "3", ...cursor });
      told.push(...found.states.map(({ key }) => key).filter((key) => keys.includes(key)));
      if (found.cursor === undefined) break;
      cursor = { cursor: found.cursor };
      await see([{ key: `k${n}`, time: 1 }, { key: `k${n}+${name}`, time: 1 }]);
    }
    assert.deepEqual(told.toSorted(), keys.toSorted(), name);
  }
});

test("a page tells where each partition stood that it looked at", async (t) => {
  const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
  const { page } = await open(t, keys.map((key) => ({ key, time: 1 })));
  const { standings } = await page("totals");
  assert.deepEqual(standings.map(({ partition, lag }) => [partition, lag]), [[0, 0], [1, 0], [2, 0]]);
  assert.deepEqual((await page("totals", { limit: "1" })).standings.map(({ partition }) => partition), [0]);
});

test("a page is bounded by its bytes as well", async (t) => {
  const keys = Array.from({ length: 300 }, (_, i) => `${i}${"x".repeat(10_000)}`);
  const { page } = await open(t, keys.map((key) => ({ key, time: 1 })));
  for (const name of ["totals", "minutes", "visits"]) {
    const first = await page(name, { limit: "1000" });
    assert.ok(JSON.stringify(first).length < 3_000_000, name);
    assert.ok(first.cursor !== undefined && first.states.length > 50, name);
    assert.equal((await pages((more) => page(name, more), 1_000)).length, keys.length, name);
  }
});

test("a cursor that is none, or of another actor, is refused", async (t) => {
  const { page } = await open(t, [{ key: "a", time: 1 }, { key: "b", time: 1 }]);
  const { cursor } = await page("totals", { limit: "1" });
  const text = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const bad = ["x", "%", "", text({}), text([]), text(["totals", 3]), text(["totals", -1]), text(["totals", 0.5])];
  bad.push(text(["totals", 0, 1]), text(["totals", 0, "\ud800"]), text(["totals", 0, "a", "b"]), text(["minutes", 0]));
  for (const one of bad) {
    await assert.rejects(page("totals", { cursor: one }), /400[^]*TIDEMARK_REQUEST_INVALID/, one);
  }
  if (cursor !== undefined) await assert.rejects(page("minutes", { cursor }), /TIDEMARK_REQUEST_INVALID/);
});
