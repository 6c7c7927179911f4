/**
 * Random worlds for tests of event time: a definition, and topics whose times crowd around its boundaries, out of order
 * within and beyond what the topic allows.
 */
import fc from "fast-check";
import type { AlignedRule } from "./oracle/aligned.ts";
import type { JoinRule } from "./oracle/join.ts";
import type { SessionRule } from "./oracle/session.ts";
import type { SlidingRule } from "./oracle/sliding.ts";
import type { Rec, TopicWorld } from "./oracle/watermark.ts";

const KEYS = ["a", "b", "/c d"];
const RECORDS_MAX = 40;
const PARTITIONS_MAX = 4;
/** More windows than anybody could visit one by one. */
const JUMP_STEPS = 1_000_003;

/** What the times of a topic gather around, in ms. */
interface Terrain {
  /** Times are sums of multiples of these; the first ones are taken more often. */
  readonly strides: readonly number[];
  /** Where they begin. */
  readonly offset: number;
  readonly maxOutOfOrdernessMs: number;
}

/** One record before it has a place. */
interface Draft {
  readonly rec: Rec;
  /** When it comes; a partition is in this order. */
  readonly arrival: number;
  readonly partition: number;
}

/** How a topic is made. */
interface TopicOptions {
  /** All records of a key in one partition, as a table has them. */
  readonly isTable?: boolean;
}

const lengths = fc.oneof(fc.constantFrom(1, 2, 3, 10, 60, 1_000), fc.integer({ min: 1, max: 100 }));
const reaches = fc.oneof(fc.constantFrom(0, 1, 2, 10), fc.integer({ min: 0, max: 60 }));

/** One ms before, at, and one ms after a boundary. */
const nudges = fc.constantFrom(0, 0, -1, 1);
const often = <T>(usual: T, other: fc.Arbitrary<T>, weight = 4): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

function times({ strides, offset, maxOutOfOrdernessMs }: Terrain): fc.Arbitrary<number> {
  const steps = fc.tuple(...strides.map((_, i) => fc.integer({ min: 0, max: i === 0 ? 5 : i === 1 ? 2 : 1 })));
  const jump = JUMP_STEPS * Math.max(...strides, 1);
  return fc.tuple(steps, fc.integer({ min: 0, max: 1 }), nudges, often(0, fc.constant(jump), 12)).map(
    ([counts, bounds, nudge, jump]) => {
      const sum = counts.reduce((sum, count, i) => sum + count * strides[i]!, 0);
      return Math.max(0, offset + sum + bounds * maxOutOfOrdernessMs + nudge + jump);
    },
  );
}

/** How much later than its time a record comes: on time, just in time, a little late, or far too late. */
function delays({ strides, maxOutOfOrdernessMs }: Terrain): fc.Arbitrary<number> {
  const reach = strides.reduce((sum, stride) => sum + stride, maxOutOfOrdernessMs);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: maxOutOfOrdernessMs }) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 * reach + 2 }) },
    { weight: 1, arbitrary: fc.constant(6 * reach + 6) },
  );
}

function drafts(name: string, terrain: Terrain, { isTable = false }: TopicOptions): fc.Arbitrary<Draft[]> {
  const one = fc.record({
    key: fc.nat(KEYS.length - 1),
    time: times(terrain),
    value: isTable ? often<number | null>(1, fc.constant(null)) : fc.nat(2),
    delay: delays(terrain),
    place: fc.nat(PARTITIONS_MAX - 1),
  });
  return fc.array(one, { maxLength: RECORDS_MAX, size: "max" }).map((all) =>
    all.map(({ key, time, value, delay, place }, i) => ({
      rec: { id: `${name}-${i}`, key: KEYS[key]!, time, value },
      arrival: time + delay,
      partition: isTable ? key : place,
    }))
  );
}

function topicWorlds(name: string, terrain: Terrain, options: TopicOptions = {}): fc.Arbitrary<TopicWorld> {
  return fc.tuple(drafts(name, terrain, options), fc.integer({ min: 1, max: PARTITIONS_MAX })).map(([all, count]) => {
    const sorted = all.toSorted((a, b) => a.arrival - b.arrival);
    const partitions = Array.from(
      { length: count },
      (_, place) => sorted.filter(({ partition }) => partition % count === place).map(({ rec }) => rec),
    );
    return { name, maxOutOfOrdernessMs: terrain.maxOutOfOrdernessMs, partitions };
  });
}

/** A world of one topic for a definition. */
function worldsOf(strides: readonly number[], offset = 0): fc.Arbitrary<TopicWorld> {
  return boundsNear(strides).chain((maxOutOfOrdernessMs) =>
    topicWorlds("events", { strides, offset, maxOutOfOrdernessMs })
  );
}

/** How far a topic may be out of order: not at all, or about as far as its definition reaches. */
function boundsNear(strides: readonly number[]): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(0, 0, 1, 7),
    fc.tuple(fc.constantFrom(...strides, 0), nudges).map(([stride, nudge]) => Math.max(0, stride + nudge)),
  );
}

/** A definition with a topic of records for it. */
export interface Case<Rule> {
  readonly rule: Rule;
  readonly topic: TopicWorld;
}

/** A definition with two topics. */
export interface PairCase<Rule> {
  readonly rule: Rule;
  readonly left: TopicWorld;
  readonly right: TopicWorld;
}

const alignedRules: fc.Arbitrary<AlignedRule> = lengths.chain((size) =>
  fc.oneof(fc.constant(size), fc.integer({ min: Math.ceil(size / 10), max: size })).chain((every) =>
    fc.record({
      size: fc.constant(size),
      every: fc.constant(every),
      offset: often(0, fc.integer({ min: 0, max: every - 1 }), 1),
      lateness: reaches,
      early: often<number | undefined>(undefined, fc.integer({ min: Math.ceil(size / 8), max: size + 2 }), 1),
    })
  )
);

/** Tumbling and hopping windows. */
export const alignedCases: fc.Arbitrary<Case<AlignedRule>> = alignedRules.chain((rule) =>
  worldsOf([rule.every, rule.size, rule.lateness], rule.offset).map((topic) => ({ rule, topic }))
);

/** Sessions. */
export const sessionCases: fc.Arbitrary<Case<SessionRule>> = fc.record({ gap: lengths, lateness: reaches }).chain((
  rule,
) => worldsOf([rule.gap, rule.gap + 1, rule.lateness]).map((topic) => ({ rule, topic })));

/** Sliding windows. */
export const slidingCases: fc.Arbitrary<Case<SlidingRule>> = fc.record({ size: lengths, lateness: reaches }).chain((
  rule,
) => worldsOf([rule.size, 1, rule.lateness]).map((topic) => ({ rule, topic })));

/** How far a join reaches, and whether it asks for more than nearness. */
export type JoinReach = Omit<JoinRule, "where"> & { readonly isPicky: boolean };

/** Joins of two streams. */
export const joinCases: fc.Arbitrary<PairCase<JoinReach>> = fc.record({
  type: fc.constantFrom("inner" as const, "left" as const, "outer" as const),
  before: reaches,
  after: reaches,
  isPicky: fc.boolean(),
}).chain((rule) => {
  const strides = [rule.before, rule.after, 1];
  return fc.tuple(boundsNear(strides), boundsNear(strides)).chain(([leftBound, rightBound]) =>
    fc.record({
      rule: fc.constant(rule),
      left: topicWorlds("lefts", { strides, offset: 0, maxOutOfOrdernessMs: leftBound }),
      right: topicWorlds("rights", { strides, offset: 0, maxOutOfOrdernessMs: rightBound }),
    })
  );
});

/** Joins of a stream with a table. */
export const tableCases: fc.Arbitrary<PairCase<"inner" | "left">> = fc.tuple(lengths, reaches, reaches).chain(
  ([stride, leftBound, rightBound]) =>
    fc.record({
      rule: fc.constantFrom("inner" as const, "left" as const),
      left: topicWorlds("stream", { strides: [stride, 1], offset: 0, maxOutOfOrdernessMs: leftBound }),
      right: topicWorlds("table", { strides: [stride, 1], offset: 0, maxOutOfOrdernessMs: rightBound }, {
        isTable: true,
      }),
    }),
);

/** One to three topics for an actor that folds in the order of event times. */
export const orderedWorlds: fc.Arbitrary<TopicWorld[]> = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  lengths,
  fc.array(reaches, { minLength: 3, maxLength: 3 }),
).chain(([count, stride, bounds]) =>
  fc.tuple(
    ...["one", "three", "two"].slice(0, count).map((name, i) =>
      topicWorlds(name, { strides: [stride, 1], offset: 0, maxOutOfOrdernessMs: bounds[i]! })
    ),
  )
);
