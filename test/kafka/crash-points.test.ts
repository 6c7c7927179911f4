import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import { gate, kafkaBehindProxy, within } from "./behind-proxy.ts";
import { topicsOf } from "./crash-app.ts";
import { type Point, SESSION_MS } from "./crash-child.ts";
import { died, LINES, storeOf, World } from "./crash-world.ts";
import { delay, withhold } from "./proxy.ts";

const CASE_MS = 45_000;

const few = gate(4);
const starting = kafkaBehindProxy();
starting.catch(() => {}); // every case tells

after(async () => (await starting.catch(() => undefined))?.close());

const never = new Promise<void>(() => {});

interface Shape {
  /** Default 1. */
  readonly partitions?: number;
  /** So many lines at the beginning are broken. Default 0. */
  readonly brokenFirst?: number;
  /** So many lines are there when it begins. Default: all. */
  readonly lines?: number;
}

/** A crash point; a few run at a time, on one broker. */
function point(
  title: string,
  { partitions = 1, brokenFirst = 0, lines = LINES }: Shape,
  body: (world: World) => Promise<void>,
) {
  const run = few(async () => {
    const behind = await starting;
    const directory = await mkdtemp(join(tmpdir(), "tidemark-crash-"));
    const log = await kafkaLog({ brokers: [behind.direct], clientId: "successor", sessionTimeoutMs: SESSION_MS });
    const world = new World(behind, `crash-${randomUUID()}`, directory, log, partitions, brokenFirst);
    try {
      await within(CASE_MS, title, async () => {
        await world.create();
        await world.feed(0, lines);
        await body(world);
      });
    } finally {
      await world.close();
    }
  });
  run.catch(() => {}); // the test tells
  test(title, () => run);
}

/** The last calls of an instance: that it died where it was meant to. */
function endsWith(calls: readonly string[], ...last: string[]): void {
  deepEqual(calls.slice(-last.length), last);
}

// Transactions of an instance: 1 is its fence, 2 says where it begins, 3 is the first that processed something.

point("K1: after a poll, before processing", {}, async (world) => {
  const calls = await world.dieAt({ call: "poll", nth: 6, when: "after" });
  ok(calls.includes(`send ${topicsOf(world.name).counts}`), "it had committed something before");
  await world.judge();
});

point("K2: when one output of an event is at the broker, and the other is not", {}, async (world) => {
  const { counts, sums, deadLetters } = topicsOf(world.name);
  // Of transactions 1 and 2 one Produce each, then four: two outputs, dead letters, changelog. The broker has 7.
  const calls = await world.killAt({ api: "Produce", nth: 8 }, delay(never));
  deepEqual(calls.slice(-5, -2), [`send ${counts}`, `send ${sums}`, `send ${deadLetters}`]);
  await world.judge();
});

point("K3: after a Produce is done, before its acknowledgement", {}, async (world) => {
  await world.killAt({ api: "Produce", nth: 8 }, withhold);
  await world.judge();
});

point("K4: after the acknowledgements, before the positions", {}, async (world) => {
  endsWith(await world.dieAt({ call: "offsets", nth: 3, when: "instead" }), `offsets ${world.name}`);
  await world.judge();
});

point("K5: after the positions, before EndTxn", {}, async (world) => {
  endsWith(await world.dieAt({ call: "commit", nth: 4, when: "before" }), `offsets ${world.name}`, "commit");
  await world.judge();
});

point("K6: EndTxn done, its answer not received", {}, async (world) => {
  endsWith(await world.killAt({ api: "EndTxn", nth: 4 }, withhold), "commit");
  await world.judge();
});

point("K6: EndTxn sent, and lost", {}, async (world) => {
  endsWith(await world.killAt({ api: "EndTxn", nth: 4 }, delay(never)), "commit");
  await world.judge();
});

point("K6: EndTxn sent, which arrives when the successor begins", {}, async (world) => {
  const released = Promise.withResolvers<void>();
  endsWith(await world.killAt({ api: "EndTxn", nth: 4 }, delay(released.promise)), "commit");
  const judged = world.judge();
  released.resolve();
  await judged;
});

point("K7: after EndTxn was good, before the write to the store", {}, async (world) => {
  endsWith(await world.dieAt({ call: "write", nth: 4, when: "before" }), "commit", "write");
  await world.judge();
  deepEqual(world.notices, [], "the store was rolled forward");
});

point("K8: in the middle of the store's batch", {}, async (world) => {
  endsWith(await world.dieAt({ call: "write", nth: 4, when: "during" }), "commit", "write");
  await world.judge();
  deepEqual(world.notices, [], "the store was rolled forward");
});

point("K8: in the middle of the store's batch, of which a half is on the disk", {}, async (world) => {
  await world.dieAt({ call: "write", nth: 4, when: "after" });
  const [file, size] = await newest(await storeOf(world), /\.log$/);
  await truncate(file, size - 20);
  await world.judge();
  deepEqual(world.notices, [], "the store was rolled forward");
});

// There is no snapshot beside the store: LevelDB's own files are what is written anew and renamed when a store is opened.
point("K9: while the store's files are written anew and renamed", {}, async (world) => {
  await world.dieAt({ call: "write", nth: 4, when: "after" });
  endsWith(await world.dieAt({ call: "open", nth: 1, when: "during" }), `open ${topicsOf(world.name).orders}-0`);
  const folder = await storeOf(world);
  const current = await readFile(join(folder, "CURRENT"), "utf8");
  const manifest = await readFile(join(folder, current.trim()));
  await writeFile(join(folder, "MANIFEST-009999"), manifest.subarray(0, manifest.length >> 1));
  await writeFile(join(folder, "009999.dbtmp"), "MANIFEST-0099"); // which would have become CURRENT
  await world.judge();
  deepEqual(world.notices, [], "the store was rolled forward");
  ok(!(await readdir(folder)).includes("009999.dbtmp"), "what was not renamed is gone");
});

for (const [call, when] of [["poll", "after"], ["write", "before"], ["write", "during"], ["write", "after"]] as const) {
  point(`K10: in a restore, ${when} its first ${call}`, {}, async (world) => {
    await world.dieAt({ call: "write", nth: 5, when: "after" });
    await rm(await storeOf(world), { recursive: true });
    const calls = await world.dieAt({ call, nth: 1, when });
    equal(calls.filter((one) => one === "commit").length, 1, "it has committed its fence, and processed nothing");
    await world.judge();
  });
}

for (const [who, call, nth] of [["old", "next", 2], ["new", "next", 1], ["new", "producer", 1]] as const) {
  const when = `the ${who} owner dies ${call === "next" ? "when it is told" : "when it has fenced the other"}`;
  point(`K11: while tasks change hands, ${when}`, { partitions: 2, lines: 70 }, async (world) => {
    const [a, b] = [join(world.directory, "a"), join(world.directory, "b")];
    const dies: Point = { call, nth, when: "after" };
    const old = world.child(who === "old" ? dies : undefined, a);
    await old.said(/^write $/m);
    const successor = world.child(who === "new" ? dies : undefined, b);
    const [victim, survivor] = who === "old" ? [old, successor] : [successor, old];
    await died(victim);
    await world.feed(70, LINES);
    await world.judgeSurvivor(survivor);
    await world.judge(join(world.directory, "c"));
  });
}

point("K12: during the write of a dead letter", { brokenFirst: 30 }, async (world) => {
  // Of transactions 1 and 2 one Produce each; the first lines are all broken.
  const calls = await world.killAt({ api: "Produce", nth: 3 }, withhold);
  equal(calls[calls.lastIndexOf("begin") + 1], `send ${topicsOf(world.name).deadLetters}`);
  ok(!calls.slice(calls.lastIndexOf("begin")).includes("commit"));
  await world.judge();
});

point("frozen at EndTxn, and awake again when its successor has done everything", {}, async (world) => {
  const released = Promise.withResolvers<void>();
  const rule = world.behind.proxy.on({ api: "EndTxn", nth: 4, clientId: world.name }, delay(released.promise));
  const frozen = world.child();
  await rule.hit;
  process.kill(frozen.process.pid!, "SIGSTOP");
  await world.judge(join(world.directory, "successor"));
  process.kill(frozen.process.pid!, "SIGCONT");
  released.resolve();
  // It learns that it is fenced, joins again, and takes the task over again.
  await frozen.said(/^producer [^]*^producer [^]*^poll/m);
  await frozen.stop("SIGKILL");
  await world.judge(join(world.directory, "last"));
});

/** The newest file of a kind, and its size. */
async function newest(folder: string, kind: RegExp): Promise<[file: string, size: number]> {
  const file = join(folder, (await readdir(folder)).filter((name) => kind.test(name)).sort().at(-1)!);
  return [file, (await stat(file)).size];
}
