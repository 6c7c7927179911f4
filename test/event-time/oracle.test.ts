/** The oracles against figures worked out by hand, each rule one ms before, at and after its boundary. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AlignedRule, alignedWindows } from "./oracle/aligned.ts";
import { joined, type JoinRule, type Message } from "./oracle/join.ts";
import { ordered } from "./oracle/ordered.ts";
import { sessions } from "./oracle/session.ts";
import { slidingWindows } from "./oracle/sliding.ts";
import { joinedWithTable } from "./oracle/table.ts";
import { type Arrival, arrivals, type Rec } from "./oracle/watermark.ts";
import { alignedCases, joinCases, orderedWorlds, sessionCases, slidingCases, tableCases } from "./world.ts";

/** A partition of records: `"x@5 y@7/b=2"` is x of key a at 5 ms, then y of key b at 7 ms with value 2; `=-` is a delete. */
function partition(text: string): Rec[] {
  return text.split(" ").filter((word) => word !== "").map((word) => {
    const [, id, time, key = "a", value = "0"] = /^(\w+)@(\d+)(?:\/(\w+))?(?:=(\d+|-))?$/.exec(word)!;
    return { id: id!, time: Number(time), key, value: value === "-" ? null : Number(value) };
  });
}

/** The arrivals of a topic whose records may be so far out of order. */
function read(maxOutOfOrdernessMs: number, ...partitions: string[]): Arrival[] {
  return arrivals({ name: "t", maxOutOfOrdernessMs, partitions: partitions.map(partition) });
}

/** The same of topics that differ in name. */
function named(name: string, ...partitions: string[]): Arrival[] {
  return arrivals({ name, maxOutOfOrdernessMs: 0, partitions: partitions.map(partition) });
}

test("a floor is the largest time before in the own partition less the bound, and never goes back", () => {
  const floors = (all: Arrival[]) => all.map(({ id, partition, offset, floor }) => [id, partition, offset, floor]);
  deepEqual(floors(read(10, "w@100 x@90 y@130/b z@95", "", "v@7 u@8")), [
    ["w", 0, 0, -Infinity],
    ["x", 0, 1, 90],
    ["y", 0, 2, 90],
    ["z", 0, 3, 120],
    ["v", 2, 0, -Infinity],
    ["u", 2, 1, -3],
  ]);
});

const TUMBLING: AlignedRule = { size: 10, every: 10, offset: 3, lateness: 5, early: undefined };

/** `key[start,end) ids @updates` of each window, and `id[start,end)` of what was missed. */
function windowsOf(rule: Partial<AlignedRule>, all: Arrival[]): { windows: string[]; missed: string[] } {
  const { windows, missed } = alignedWindows({ ...TUMBLING, ...rule }, all);
  return {
    windows: windows.map(({ key, start, end, ids, updates }) =>
      [`${key}[${start},${end})`, ids.join(), ...updates.map((at) => `@${at}`)].join(" ")
    ),
    missed: missed.map(({ id, start, end }) => `${id}[${start},${end})`),
  };
}

test("tumbling windows hold their start, not their end, by floor from the offset, before 0 too", () => {
  deepEqual(windowsOf({}, read(100, "s@13 r@12 q@3 p@2 o@0 n@22 m@23 l@12/b")), {
    windows: ["a[-7,3) o,p", "a[3,13) q,r", "a[13,23) n,s", "a[23,33) m", "b[3,13) l"],
    missed: [],
  });
});

test("a record misses a window when its floor is at the window's end plus the lateness, not one ms before", () => {
  // [3, 13) takes records while the floor is below 18.
  deepEqual(windowsOf({}, read(0, "a@17/b z@12")), { windows: ["a[3,13) z", "b[13,23) a"], missed: [] });
  deepEqual(windowsOf({}, read(0, "a@18/b z@12")), { windows: ["b[13,23) a"], missed: ["z[3,13)"] });
  deepEqual(windowsOf({}, read(1, "a@18/b z@12")), { windows: ["a[3,13) z", "b[13,23) a"], missed: [] });
  deepEqual(windowsOf({}, read(1, "a@19/b z@12")), { windows: ["b[13,23) a"], missed: ["z[3,13)"] });
  // What another partition has seen does not matter, nor a smaller time in between.
  deepEqual(windowsOf({}, read(0, "a@900/b", "z@12")), { windows: ["a[3,13) z", "b[893,903) a"], missed: [] });
  deepEqual(windowsOf({}, read(0, "a@18/b y@14 z@12")).missed, ["z[3,13)"]);
});

test("hopping windows: a record belongs to all that hold its time, and may miss some of them", () => {
  const rule = { every: 4, offset: 0, lateness: 0 };
  deepEqual(windowsOf(rule, read(0, "z@9")).windows, ["a[0,10) z", "a[4,14) z", "a[8,18) z"]);
  deepEqual(windowsOf(rule, read(0, "z@10")).windows, ["a[4,14) z", "a[8,18) z"]);
  deepEqual(windowsOf(rule, read(0, "z@1")).windows, ["a[-8,2) z", "a[-4,6) z", "a[0,10) z"]);
  deepEqual(windowsOf(rule, read(0, "a@10/b z@9")), {
    windows: ["a[4,14) z", "a[8,18) z", "b[4,14) a", "b[8,18) a"],
    missed: ["z[0,10)"],
  });
  deepEqual(windowsOf(rule, read(0, "a@17/b z@9")).missed, ["z[0,10)", "z[4,14)"]);
  deepEqual(windowsOf(rule, read(0, "a@18/b z@9")).missed, ["z[0,10)", "z[4,14)", "z[8,18)"]);
});

test("an early window tells at its start plus every k steps, up to its end plus the lateness, which is not one of them", () => {
  deepEqual(windowsOf({ offset: 0, lateness: 2, early: 4 }, read(0, "z@1")).windows, ["a[0,10) z @4 @8"]);
  deepEqual(windowsOf({ offset: 0, lateness: 3, early: 4 }, read(0, "z@1")).windows, ["a[0,10) z @4 @8 @12"]);
  deepEqual(windowsOf({ early: 15 }, read(0, "z@12")).windows, ["a[3,13) z"]);
  deepEqual(windowsOf({ early: 14 }, read(0, "z@12")).windows, ["a[3,13) z @17"]);
});

/** The same of windows that keep their events. */
function told({ windows, late }: ReturnType<typeof sessions>): { windows: string[]; late: readonly string[] } {
  return { windows: windows.map(({ key, start, end, ids }) => `${key}[${start},${end}) ${ids.join()}`), late };
}

test("events exactly one gap apart are one session, one ms more are two; it ends a gap after the last", () => {
  const rule = { gap: 5, lateness: 0 };
  deepEqual(told(sessions(rule, read(0, "y@0 z@5"))), { windows: ["a[0,10) y,z"], late: [] });
  deepEqual(told(sessions(rule, read(0, "y@0 z@6"))), { windows: ["a[0,5) y", "a[6,11) z"], late: [] });
  deepEqual(told(sessions(rule, read(9, "y@0 z@8 x@4 w@4/b"))), { windows: ["a[0,13) y,x,z", "b[4,9) w"], late: [] });
  deepEqual(told(sessions(rule, read(0, "z@4", "y@4 x@4"))), { windows: ["a[4,9) z,y,x"], late: [] });
});

test("a record is late for a session when its floor is past its time plus lateness", () => {
  const rule = { gap: 5, lateness: 2 };
  deepEqual(told(sessions(rule, read(0, "b@5/b z@3"))), { windows: ["a[3,8) z", "b[5,10) b"], late: [] });
  deepEqual(told(sessions(rule, read(0, "b@6/b z@3"))), { windows: ["b[6,11) b"], late: ["z"] });
  // What is late binds nothing together.
  deepEqual(told(sessions(rule, read(3, "x@4 y@14 z@9"))), { windows: ["a[4,19) x,z,y"], late: [] });
  deepEqual(told(sessions(rule, read(2, "x@4 y@14 z@9"))).windows, ["a[4,9) x", "a[14,19) y"]);
});

test("a sliding window ends with each distinct time and holds what came in its size up to it", () => {
  const rule = { size: 3, lateness: 0 };
  deepEqual(told(slidingWindows(rule, read(9, "z@13 x@10 y@12 w@12/b"))), {
    windows: ["a[8,11) x", "a[10,13) x,y", "a[11,14) y,z", "b[10,13) w"],
    late: [],
  });
  deepEqual(told(slidingWindows(rule, read(0, "x@1 y@1"))), { windows: ["a[-1,2) x,y"], late: [] });
  deepEqual(told(slidingWindows({ size: 1, lateness: 0 }, read(0, "x@1 y@2"))).windows, ["a[1,2) x", "a[2,3) y"]);
});

test("a record counts in the sliding windows that its floor has not passed, and is late when none could be left", () => {
  const rule = { size: 3, lateness: 0 };
  // At 10, with the floor at 11: its own window [8, 11) is gone, that of 12 is not.
  deepEqual(told(slidingWindows(rule, read(0, "b@11/b z@10", "y@12"))), {
    windows: ["a[10,13) z,y", "b[9,12) b"],
    late: [],
  });
  deepEqual(told(slidingWindows(rule, read(0, "b@10/b z@10"))).windows, ["a[8,11) z", "b[8,11) b"]);
  // Another record at 10 was in time: its window is there, without z.
  deepEqual(told(slidingWindows(rule, read(0, "x@10 b@11/b z@10", "y@12"))).windows, [
    "a[8,11) x",
    "a[10,13) x,z,y",
    "b[9,12) b",
  ]);
  // The last it could be in is that of 12: [10, 13).
  deepEqual(told(slidingWindows(rule, read(0, "b@12/b z@10", "y@12"))).windows[0], "a[10,13) z,y");
  deepEqual(told(slidingWindows(rule, read(0, "b@12/b z@10"))), { windows: ["b[10,13) b"], late: [] });
  deepEqual(told(slidingWindows(rule, read(0, "b@13/b z@10", "y@12"))), {
    windows: ["a[10,13) y", "b[11,14) b"],
    late: ["z"],
  });
  deepEqual(told(slidingWindows({ size: 3, lateness: 1 }, read(0, "b@13/b z@10"))).late, []);
});

const REACH: JoinRule = { type: "outer", before: 2, after: 3, where: () => true };

/** `time left-right` of each message of a key, with nothing for a side that is missing. */
function sent(messages: Readonly<Record<string, readonly Message[]>>, key = "a"): string[] {
  return (messages[key] ?? []).map(({ time, left = "", right = "" }) => `${time} ${left}-${right}`);
}

function join(lefts: Arrival[], rights: Arrival[], rule: Partial<JoinRule> = {}): string[] {
  return sent(joined({ ...REACH, ...rule }, lefts, rights).messages);
}

test("a join takes both ends of its reach, and tells of what is alone when no match can come any more", () => {
  const [lefts, rights] = [named("l", "l@10"), named("r", "p@7 q@8 r@13 s@14")];
  deepEqual(join(lefts, rights, { type: "inner" }), ["10 l-q", "13 l-r"]);
  deepEqual(join(lefts, rights, { type: "left" }), ["10 l-q", "13 l-r"]);
  deepEqual(join(lefts, rights), ["9 -p", "10 l-q", "13 l-r", "16 -s"]);
  const far = named("r", "p@7 s@14");
  deepEqual(join(lefts, far, { type: "inner" }), []);
  deepEqual(join(lefts, far, { type: "left" }), ["13 l-"]);
  deepEqual(join(lefts, far), ["9 -p", "13 l-", "16 -s"]);
  deepEqual(join(lefts, named("r", "q@10/b")), ["13 l-"]);
  deepEqual(join(lefts, named("r", "q@10=1"), { where: (left, right) => left === right }), ["12 -q", "13 l-"]);
});

test("a pair is sent when both floors have not passed the later of its times", () => {
  const lefts = named("l", "l@9");
  const late = (rights: Arrival[]) => joined(REACH, lefts, rights).lateRight;
  // Right at 8, before 2: a pair with the left at 9 has the time 9, alone it would be told at 10, after that it is late.
  deepEqual(join(lefts, named("r", "x@9/b r@8")), ["9 l-r"]);
  deepEqual(join(lefts, named("r", "x@10/b r@8")), ["10 -r", "12 l-"]);
  deepEqual(late(named("r", "x@10/b r@8")), []);
  deepEqual(join(lefts, named("r", "x@11/b r@8")), ["12 l-"]);
  deepEqual(late(named("r", "x@11/b r@8")), ["r"]);
  // Left at 9, after 3: late behind 12.
  const right = named("r", "r@12");
  const behind = (time: number) => named("l", `x@${time}/b l@9`);
  deepEqual(join(behind(12), right), ["12 l-r"]);
  deepEqual(joined(REACH, behind(12), right).lateLeft, []);
  deepEqual(join(behind(13), right), ["14 -r"]);
  deepEqual(joined(REACH, behind(13), right).lateLeft, ["l"]);
  // It missed its match at 11, and is told alone.
  deepEqual(join(behind(12), named("r", "r@11")), ["12 l-", "13 -r"]);
});

test("messages of one time: pairs by the times of left and right and by place, then lefts, then rights", () => {
  deepEqual(
    join(named("l", "l@10=9 m@13", "k@11"), named("r", "p@11=8 r@13", "q@13"), {
      where: (left, right) => left !== 9 && right !== 8,
    }),
    ["13 k-r", "13 k-q", "13 m-r", "13 m-q", "13 l-", "13 -p"],
  );
  deepEqual(join(named("l", "x@4 y@4", "w@4"), []), ["7 x-", "7 y-", "7 w-"]);
  deepEqual(join(named("l", "x@4 y@4"), named("r", "p@4 q@4")), ["4 x-p", "4 x-q", "4 y-p", "4 y-q"]);
});

test("a table answers with its newest version as of the record's time that was there by then", () => {
  const stream = named("s", "x@4 y@5 z@9 w@10 v@10/b");
  const versions = named("t", "p@5=1 q@10=1", "r@5=1 s@6=-");
  const { messages } = joinedWithTable("left", stream, versions);
  deepEqual(sent(messages), ["4 x-", "5 y-r", "9 z-", "10 w-q"]);
  deepEqual(sent(messages, "b"), ["10 v-"]);
  deepEqual(sent(joinedWithTable("inner", stream, versions).messages), ["5 y-r", "10 w-q"]);
  // The highest offset of a time holds. A version that came when the watermark was at 8 is not seen before 8.
  deepEqual(sent(joinedWithTable("left", stream, named("t", "p@5=1 q@5=1")).messages)[1], "5 y-q");
  const tardy = joinedWithTable("left", named("s", "x@7 y@8"), named("t", "p@5=1 n@8/b q@6=1"));
  deepEqual(sent(tardy.messages), ["7 x-p", "8 y-q"]);
  // A record is late when its own floor has passed it.
  const out = joinedWithTable("left", named("s", "x@7 y@7 z@8/b w@7"), []);
  deepEqual(sent(out.messages), ["7 x-", "7 y-"]);
  deepEqual(out.lateLeft, ["w"]);
});

test("folds in event-time order go by time, topic, partition and offset; late is what the own floor has passed", () => {
  const one = named("one", "a@5 b@7 c@7 d@6", "e@5 f@4 g@5/b");
  const two = named("two", "h@5");
  deepEqual(ordered([...two, ...one]), {
    folded: { a: ["a", "e", "h", "b", "c"], b: ["g"] },
    late: ["d", "f"],
  });
});

test("random worlds come near every boundary", () => {
  const options = { seed: 1, numRuns: 1_000 };
  const counts = new Map<string, number>();
  const count = (what: string, isTrue: boolean) => isTrue && counts.set(what, (counts.get(what) ?? 0) + 1);
  const each = (what: string, distances: readonly number[]) => {
    for (const distance of [-1, 0, 1]) count(`${what} ${distance}`, distances.includes(distance));
  };
  for (const { rule, topic } of fc.sample(alignedCases, options)) {
    const all = arrivals(topic);
    const { windows, missed } = alignedWindows(rule, all);
    each("window", all.flatMap((one) => spansFrom(windows, one).map(({ end }) => one.floor - end - rule.lateness)));
    each("miss", missed.map(({ id, end }) => all.find((one) => one.id === id)!.floor - end - rule.lateness));
    count("partly missed", missed.some(({ id }) => windows.some(({ ids }) => ids.includes(id))));
    count("jump", windows.some(({ start }) => start > 1_000_000 * rule.every));
    count("before 0", windows.some(({ start }) => start < 0));
    count("updates", windows.some(({ updates }) => updates.length > 0));
    count("equal times", new Set(all.map(({ time }) => time)).size < all.length);
    count("negative time", all.some(({ time }) => time < 0));
  }
  for (const { rule: { gap, lateness }, topic } of fc.sample(sessionCases, options)) {
    const all = arrivals(topic).toSorted((a, b) => a.time - b.time);
    each("gap", all.slice(1).map(({ time }, i) => time - all[i]!.time - gap));
    each("session", all.map(({ floor, time }) => floor - time - lateness));
  }
  for (const { rule: { size, lateness }, topic } of fc.sample(slidingCases, options)) {
    const all = arrivals(topic);
    each("sliding", all.map(({ floor, time }) => floor - time - size - lateness));
    each("own window", all.map(({ floor, time }) => floor - time - 1 - lateness));
  }
  for (const { rule, left, right } of fc.sample(joinCases, options)) {
    const [lefts, rights] = [arrivals(left), arrivals(right)];
    each("reach before", lefts.flatMap((l) => rights.map((r) => l.time - rule.before - r.time)));
    each("reach after", lefts.flatMap((l) => rights.map((r) => r.time - l.time - rule.after)));
    each("left", lefts.map(({ floor, time }) => floor - time - rule.after));
    each("right", rights.map(({ floor, time }) => floor - time - rule.before));
  }
  for (const { left, right } of fc.sample(tableCases, options)) {
    const versions = arrivals(right);
    each("stream", arrivals(left).map(({ floor, time }) => floor - time));
    count("late version", versions.some(({ floor, time }) => floor > time));
    count("delete", versions.some(({ value }) => value === null));
  }
  for (const topics of fc.sample(orderedWorlds, options)) {
    each("ordered", topics.flatMap(arrivals).map(({ floor, time }) => floor - time));
  }
  const rare = [...counts].filter(([, n]) => n < 40);
  deepEqual(rare, []);
  equal(counts.size, 40, `not all came up: ${[...counts.keys()].join(", ")}`);
});

/** The windows a record is in. */
function spansFrom(windows: readonly { ids: readonly string[]; end: number }[], { id }: Arrival): { end: number }[] {
  return windows.filter(({ ids }) => ids.includes(id));
}
