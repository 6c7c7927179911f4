/** Joins of two streams, and of a stream with a table, through internal topics or not. */
import { deepEqual } from "node:assert/strict";
import { actor, app, join, table, topic } from "tidemark";
import type { Random, SimulationOptions, SimulationResults } from "tidemark/testing";
import { any } from "valibot";
import { byKey, late, lateLines } from "../../event-time/engine.ts";
import { teller } from "../../event-time/machines.ts";
import { joined, type JoinOutcome } from "../../event-time/oracle/join.ts";
import { joinedWithTable } from "../../event-time/oracle/table.ts";
import { arrivals } from "../../event-time/oracle/watermark.ts";
import { checkNothingDied, lateOf, outputsOf, PARTITIONS, recordsOf, topicFor, worldOf } from "./world.ts";

type Kind = "inner" | "left" | "outer" | "inner table" | "left table";

const KINDS: readonly (readonly Kind[])[] = [
  ["inner"],
  ["left", "outer"],
  ["left"],
  ["outer"],
  ["inner table"],
  ["left table"],
];

const told = topic("told", { schema: any() });
const agree = (left: number | null, right: number | null) => Number(left) % 2 === Number(right) % 2;
const nameOf = (kind: Kind) => kind.replace(" ", "-");

/** One or two joins of random reach over two random topics. */
export function joins(random: Random): SimulationOptions {
  const kinds = random.pick(KINDS);
  const isTable = kinds[0]!.endsWith("table");
  const [before, after] = [random.pick([0, 1, 2, 10, 40]), random.pick([0, 1, 2, 10, 40])];
  const terrain = { strides: [Math.max(before, 3), Math.max(after, 3), 1], counts: [8, 25] as const };
  const [isLeftKeyed, isRightKeyed] = [random.chance(0.3), isTable || random.chance(0.3)];
  const left = worldOf(random, "lefts", { ...terrain, isKeyed: isLeftKeyed });
  const right = worldOf(random, "rights", { ...terrain, isKeyed: isRightKeyed, nulls: isTable ? 0.2 : 0 });
  const where = random.chance(0.3) ? agree : () => true;
  const lefts = topicFor(left, { partitioned: isLeftKeyed }).by(({ key }) => key);
  const rightTopic = topicFor(right, { partitioned: isRightKeyed && random.chance(0.5) });
  const actors = kinds.map((kind) => {
    const type = kind.split(" ")[0] as "inner" | "left" | "outer";
    const pairs = isTable
      ? join(lefts, table(rightTopic.byKey()), { type: type as "inner" | "left" })
      : join(lefts, rightTopic.by(({ key }) => key), {
        type,
        before: { milliseconds: before },
        after: { milliseconds: after },
        where: (one, other) => where(one.value, other.value),
      });
    return actor(nameOf(kind), teller)
      .on(
        pairs,
        ({ left, right }, { time }) => ({ type: "message", time, left: left?.id ?? null, right: right?.id ?? null }),
      )
      .to("told", told, (event) => ({ ...event, kind }))
      .late(late);
  });
  const [allLeft, allRight] = [arrivals(left), arrivals(right)];
  const outcomeOf = (kind: Kind): JoinOutcome => {
    const type = kind.split(" ")[0] as "inner" | "left" | "outer";
    return isTable
      ? { ...joinedWithTable(type as "inner" | "left", allLeft, allRight), lateRight: [] }
      : joined({ type, before, after, where }, allLeft, allRight);
  };
  const check = (results: SimulationResults) => {
    for (const kind of kinds) {
      const { messages, lateLeft, lateRight } = outcomeOf(kind);
      const sent = byKey(
        outputsOf(results, "told").filter(({ value }) => value.kind === kind),
        ({ time, value }) => `${time} ${value.n} ${value.time} ${value.left}-${value.right}`,
      );
      const expected = Object.entries(messages).map(([key, list]) => [
        key,
        list.map(({ time, left = null, right = null }, i) => `${time} ${i + 1} ${time} ${left}-${right}`),
      ]);
      deepEqual(sent, Object.fromEntries(expected));
      deepEqual(lateOf(results, nameOf(kind)), lateLines([...allLeft, ...allRight], [...lateLeft, ...lateRight]));
    }
    checkNothingDied(results, "joins");
  };
  return {
    app: app("joins", actors),
    topics: { lefts: PARTITIONS, rights: PARTITIONS, told: 1, late: 1 },
    inputs: () => [...recordsOf(left), ...recordsOf(right)],
    check,
  };
}
