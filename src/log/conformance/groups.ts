import assert from "node:assert/strict";
import type { Assignment, JoinOptions, Log, Membership } from "../log.ts";
import { type Add, type Case, type LogHarness, refused, unique } from "./case.ts";

const TASKS = ["a", "b", "c", "d"];

/** How an app's instances come to know who works on what. */
export function groupCases(add: Add, harness: LogHarness): void {
  add("the only member gets all tasks, and can be reached where it says", async (c) => {
    const member = await c.log.join(optionsOf(unique("group"), { address: "http://here" }));
    const { own, addresses } = await untilOwn(c, member, 4);
    assert.deepEqual([...own].sort(), TASKS);
    assert.deepEqual(new Map(addresses), new Map(TASKS.map((task) => [task, "http://here"])));
    await member.close();
  });

  add("after the first assignment the next one is waited for, until the place is given up", async (c) => {
    const member = await c.log.join(optionsOf(unique("group")));
    await untilOwn(c, member, 4);
    let isTold = false;
    const next = member.next().finally(() => isTold = true);
    next.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(isTold, false);
    await member.close();
    await refused("TIDEMARK_LOG_CLOSED", () => next);
    await refused("TIDEMARK_LOG_CLOSED", () => member.next());
    await member.close();
  });

  add("a member may say that there are other tasks", async (c) => {
    const member = await c.log.join(optionsOf(unique("group"), { address: "http://here" }));
    await untilOwn(c, member, 4);
    member.change([...TASKS, "e"]);
    const { own, addresses } = await untilOwn(c, member, 5);
    assert.deepEqual([...own].sort(), [...TASKS, "e"]);
    assert.equal(addresses.get("e"), "http://here");
    await member.close();
  });

  if (!harness.shares) return;

  /** Runs with logs for some instances, which are closed in the end. */
  const withLogs = async (count: number, run: (logs: Log[]) => Promise<void>): Promise<void> => {
    const logs: Log[] = [];
    try {
      for (let i = 0; i < count; i++) logs.push(await harness.open());
      await run(logs);
    } finally {
      for (const log of logs) await log.close();
    }
  };

  add(
    "members share the tasks, know where the others are, and those who stay get what one leaves behind",
    async (c) => {
      await withLogs(2, async ([one, two]) => {
        const group = unique("group");
        const first = await one!.join(optionsOf(group, { address: "http://first" }));
        await untilOwn(c, first, 4);
        const second = await two!.join(optionsOf(group, { address: "http://second" }));
        const [atFirst, atSecond] = await Promise.all([untilOwn(c, first, 2), untilOwn(c, second, 2)]);
        assert.deepEqual([...atFirst.own, ...atSecond.own].sort(), TASKS);
        for (const { addresses } of [atFirst, atSecond]) {
          const expected = TASKS.map((task) =>
            [task, atFirst.own.has(task) ? "http://first" : "http://second"] as const
          );
          assert.deepEqual(new Map(addresses), new Map(expected));
        }
        assert.deepEqual(await within(c, first.confirm()), atFirst.own);
        await first.close();
        const alone = await untilOwn(c, second, 4);
        assert.deepEqual(new Set(alone.addresses.values()), new Set(["http://second"]));
        await second.close();
      });
    },
  );

  add("a member is told what the others had, so that tasks may stay where they are", async (c) => {
    await withLogs(2, async ([one, two]) => {
      const group = unique("group");
      const seen: string[] = [];
      const assign: JoinOptions["assign"] = (tasks, members) => {
        seen.push(members.map(({ owned }) => owned.length).sort().join());
        return halves(tasks, members);
      };
      const first = await one!.join(optionsOf(group, { assign }));
      await untilOwn(c, first, 4);
      const second = await two!.join(optionsOf(group, { assign }));
      await Promise.all([untilOwn(c, first, 2), untilOwn(c, second, 2)]);
      assert.equal(seen[0], "0");
      assert.equal(seen.at(-1), "0,4");
      await first.close();
      await second.close();
    });
  });

  add("an instance of something else is refused, and those who are there are left in peace", async (c) => {
    await withLogs(2, async ([one, two]) => {
      const group = unique("group");
      const first = await one!.join(optionsOf(group));
      const { own } = await untilOwn(c, first, 4);
      const other = await two!.join(optionsOf(group, { fingerprint: "another" }));
      await refused("TIDEMARK_TOPOLOGY_CHANGED", () => within(c, other.next()));
      await refused("TIDEMARK_TOPOLOGY_CHANGED", () => within(c, other.confirm()));
      await other.close();
      assert.deepEqual(await within(c, first.confirm()), own);
      await first.close();
      const after = await two!.join(optionsOf(group, { fingerprint: "another" }));
      await untilOwn(c, after, 4);
      await after.close();
    });
  });

  add("closing a log gives up its places, and ends what waits there", async (c) => {
    await withLogs(2, async ([one, two]) => {
      const group = unique("group");
      const first = await one!.join(optionsOf(group));
      await untilOwn(c, first, 4);
      const second = await two!.join(optionsOf(group));
      await Promise.all([untilOwn(c, first, 2), untilOwn(c, second, 2)]);
      const waiting = first.next();
      waiting.catch(() => {});
      await one!.close();
      await refused("TIDEMARK_LOG_CLOSED", () => within(c, waiting));
      await untilOwn(c, second, 4);
      await second.close();
    });
  });
}

function optionsOf(group: string, changed: Partial<JoinOptions> = {}): JoinOptions {
  return { group, tasks: TASKS, topics: ["t"], fingerprint: "one", address: "", assign: halves, ...changed };
}

/** Shares out in turn. */
const halves: JoinOptions["assign"] = (tasks, members) => {
  const ids = members.map(({ id }) => id).sort();
  return new Map(ids.map((id, turn) => [id, tasks.filter((_, index) => index % ids.length === turn)]));
};

/** The first assignment with so many tasks of its own: how many there are in between is the log's own affair. */
async function untilOwn(c: Case, member: Membership, tasks: number): Promise<Assignment> {
  for (;;) {
    const assignment = await within(c, member.next());
    if (assignment.own.size === tasks) return assignment;
  }
}

/** What must happen within the patience of the suite. */
async function within<T>({ patienceMs }: Case, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the group has not agreed after ${patienceMs} ms`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
