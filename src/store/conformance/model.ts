import assert from "node:assert/strict";
import { reasonOf } from "../../core/errors.ts";
import type { Change, Row, Store } from "../store.ts";
import { type Add, allRows, type Case, inByteOrder, type StoreHarness } from "./case.ts";

const RUNS = 20;
const STEPS = 60;
const PIECES = ["a", "b", "\0", "é", "\ud7ff", "\ue000", "\uffff", "\u{1f600}", "\u{10ffff}"];

/** Random histories, compared with a map that is sorted when it is read. */
export function modelCases(add: Add, harness: StoreHarness): void {
  add("is an ordered map under random histories", async (c) => {
    for (let run = 0; run < (harness.runs ?? RUNS); run++) {
      const seed = Math.trunc(Math.random() * 2 ** 32);
      try {
        await compare(c, `history-${run}`, randomFrom(seed));
      } catch (error) {
        throw new Error(`seed ${seed}: ${reasonOf(error)}`, { cause: error });
      }
    }
  });
}

/** A whole number from 0 up to a bound, exclusive. */
type Random = (below: number) => number;

async function compare(c: Case, name: string, random: Random): Promise<void> {
  const model = new Map<string, string>();
  let store = await c.open(name);
  for (let step = 0; step < STEPS; step++) {
    const action = random(10);
    if (action < 5) await change(store, model, random);
    else if (action < 8) await readRange(store, model, random);
    else if (action < 9) await readKeys(store, model, random);
    else {
      await c.restart();
      store = await c.open(name);
    }
  }
  assert.deepEqual(await allRows(store), inByteOrder(model.keys()).map((key) => [key, model.get(key)]));
}

async function change(store: Store, model: Map<string, string>, random: Random): Promise<void> {
  const changes = Array.from({ length: random(12) }, (_, index): Change => {
    return [randomKey(random), random(3) === 0 ? null : `${index} ${random(1_000)}`];
  });
  for (const [key, value] of changes) {
    if (value === null) model.delete(key);
    else model.set(key, value);
  }
  await store.write(changes);
}

async function readRange(store: Store, model: ReadonlyMap<string, string>, random: Random): Promise<void> {
  const [gte, lt] = [randomKey(random), randomKey(random)];
  const limit = 1 + random(6);
  const reverse = random(2) === 0;
  const ordered = inByteOrder([...model.keys(), gte, lt]);
  const between = ordered.slice(ordered.indexOf(gte), Math.max(ordered.indexOf(gte), ordered.indexOf(lt)));
  const within = [...new Set(between)].filter((key) => model.has(key));
  const expected = (reverse ? within.reverse() : within).slice(0, limit);
  const rows = await store.range({ gte, lt, limit, reverse });
  assert.deepEqual(
    rows,
    expected.map((key): Row => [key, model.get(key) ?? ""]),
    JSON.stringify({ gte, lt, limit, reverse }),
  );
}

async function readKeys(store: Store, model: ReadonlyMap<string, string>, random: Random): Promise<void> {
  const keys = Array.from({ length: random(9) }, () => randomKey(random));
  assert.deepEqual(await store.getMany(keys), keys.map((key) => model.get(key)));
}

function randomKey(random: Random): string {
  return Array.from({ length: random(4) }, () => PIECES[random(PIECES.length)]).join("");
}

/** The generator mulberry32. */
function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
