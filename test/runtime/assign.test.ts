import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GroupMember } from "../../src/log/log.ts";
import { assign } from "../../src/runtime/assign.ts";

type Shares = ReadonlyMap<string, readonly string[]>;

/** Tasks of some groups, partition by partition. */
function tasksOf(groups: number, partitions: number): string[] {
  const names = Array.from({ length: groups }, (_, group) => `g${group}`);
  return Array.from({ length: partitions }, (_, partition) => names.map((name) => `${name}-${partition}`)).flat();
}

function newcomers(count: number): GroupMember[] {
  return Array.from({ length: count }, (_, index) => ({ id: `m${index}`, owned: [] }));
}

/** Members after a round, in which each has what it was given. */
function settled(shares: Shares): GroupMember[] {
  return [...shares].map(([id, owned]) => ({ id, owned }));
}

/** Every task belongs to exactly one member, and nobody has two more than anybody else. */
function assertFair(tasks: readonly string[], members: readonly GroupMember[], shares: Shares): void {
  assert.deepEqual([...shares.keys()].sort(), members.map(({ id }) => id).sort());
  assert.deepEqual([...shares.values()].flat().sort(), tasks.toSorted());
  const sizes = [...shares.values()].map((share) => share.length);
  assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `sizes ${sizes}`);
}

/** How many tasks are with a member that had them before. */
function keptOf(members: readonly GroupMember[], shares: Shares): number {
  return members.reduce((sum, { id, owned }) => sum + shares.get(id)!.filter((task) => owned.includes(task)).length, 0);
}

/** The most that any fair sharing can leave in place, by trying all choices of who has one more. */
function mostKept(tasks: number, members: readonly GroupMember[]): number {
  const least = Math.floor(tasks / members.length);
  const more = tasks % members.length;
  let best = 0;
  for (let choice = 0; choice < 2 ** members.length; choice++) {
    const isLarger = (index: number) => (choice >> index) % 2 === 1;
    if (members.filter((_, index) => isLarger(index)).length !== more) continue;
    const kept = members.map(({ owned }, index) => Math.min(owned.length, least + (isLarger(index) ? 1 : 0)));
    best = Math.max(best, kept.reduce((a, b) => a + b));
  }
  return best;
}

const NOBODY = 7;

/** Tasks, and up to seven members to whom some of the tasks belong: each to one of them, or to nobody. */
const situation = fc.record({
  groups: fc.integer({ min: 1, max: 3 }),
  partitions: fc.integer({ min: 1, max: 9 }),
  members: fc.integer({ min: 1, max: 7 }),
  owners: fc.array(fc.integer({ min: 0, max: NOBODY }), { minLength: 27, maxLength: 27 }),
}).map(({ groups, partitions, members: count, owners }) => {
  const tasks = tasksOf(groups, partitions);
  const members = newcomers(count).map(({ id }, index) => ({
    id,
    owned: tasks.filter((_, task) => owners[task] === index),
  }));
  return { tasks, members };
});

test("every task goes to exactly one member, the numbers differ by one at most, and as few move as that allows", () => {
  fc.assert(
    fc.property(situation, ({ tasks, members }) => {
      const shares = assign(tasks, members);
      assertFair(tasks, members, shares);
      assert.equal(keptOf(members, shares), mostKept(tasks.length, members));
    }),
    { numRuns: 1000 },
  );
});

test("the order of the members does not matter, nor that of what they had", () => {
  fc.assert(fc.property(situation, fc.infiniteStream(fc.nat()), ({ tasks, members }, random) => {
    const shuffled = <T>(items: readonly T[]): T[] =>
      items.map((item) => ({ item, by: random.next().value as number })).sort((a, b) => a.by - b.by).map(({ item }) =>
        item
      );
    const others = shuffled(members).map(({ id, owned }) => ({ id, owned: shuffled(owned) }));
    const sorted = (shares: Shares) => [...shares].sort(([a], [b]) => a < b ? -1 : 1);
    assert.deepEqual(sorted(assign(tasks, others)), sorted(assign(tasks, members)));
  }));
});

test("names that are no tasks, and tasks that several members claim, do no harm", () => {
  const claims = fc.array(fc.array(fc.oneof(fc.constantFrom(...tasksOf(2, 5)), fc.string())), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(fc.property(claims, (owned) => {
    const tasks = tasksOf(2, 5);
    const members = newcomers(owned.length).map(({ id }, index) => ({ id, owned: owned[index]! }));
    const shares = assign(tasks, members);
    assertFair(tasks, members, shares);
    const alone = tasks.filter((task) => members.filter((member) => member.owned.includes(task)).length === 1);
    const small = members.filter((member) => new Set(member.owned).size <= Math.floor(tasks.length / members.length));
    // Whoever claims no more than its share, and nothing that others claim, keeps it all.
    for (const { id, owned: claimed } of small.filter((member) => member.owned.every((task) => alone.includes(task)))) {
      assert.deepEqual(new Set(shares.get(id)!.filter((task) => claimed.includes(task))), new Set(claimed));
    }
  }));
});

test("members come and go: those that stay move only what balance asks for", () => {
  const tasks = tasksOf(2, 6);
  let shares: Shares = assign(tasks, newcomers(1));
  assert.deepEqual(shares, new Map([["m0", tasks]]));
  const moved = (members: readonly GroupMember[]): number => {
    const before = new Map([...shares].flatMap(([id, share]) => share.map((task) => [task, id] as const)));
    shares = assign(tasks, members);
    assertFair(tasks, members, shares);
    return [...shares].flatMap(([id, share]) => share.filter((task) => before.get(task) !== id)).length;
  };
  assert.equal(moved([...settled(shares), { id: "m1", owned: [] }]), 6);
  assert.equal(moved([...settled(shares), { id: "a", owned: [] }]), 4);
  assert.equal(moved(settled(shares)), 0);
  assert.equal(moved(settled(shares).filter(({ id }) => id !== "m0")), 4);
  assert.equal(moved([...settled(shares), ...newcomers(1), { id: "z", owned: [] }]), 6);
});

test("members beyond the number of tasks have none, and nobody loses what it has to them", () => {
  const tasks = tasksOf(1, 3);
  const shares = assign(tasks, newcomers(5));
  assertFair(tasks, newcomers(5), shares);
  const members = [...settled(shares), { id: "a", owned: [] }, { id: "z", owned: [] }];
  assert.equal(keptOf(members, assign(tasks, members)), 3);
});

test("newcomers get as much of every group of topics as anybody else", () => {
  for (const [groups, members] of [[2, 2], [2, 4], [3, 3], [4, 2]] as const) {
    const shares = assign(tasksOf(groups, 8), newcomers(members));
    for (const share of shares.values()) {
      const counts = new Map<string, number>();
      for (const task of share) {
        const group = task.split("-")[0]!;
        counts.set(group, (counts.get(group) ?? 0) + 1);
      }
      const sizes = Array.from({ length: groups }, (_, group) => counts.get(`g${group}`) ?? 0);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${groups} groups, ${members} members: ${sizes}`);
    }
  }
});
