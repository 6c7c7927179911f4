import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { embeddedLog } from "../../../src/log/embedded/log.ts";
import type { LogRecord } from "../../../src/log/log.ts";
import { folders } from "./folders.ts";

const { folder, remove } = folders();
after(remove);

const runtime = [process.execPath, ...("Deno" in globalThis ? ["run", "-A", "--no-check"] : [])];

/** Runs a script of this folder in a process of its own; a limit is for the size of the files it may write, in KiB. */
function run(script: string, directory: string, limitKiB?: number) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const command = [...runtime, path, directory];
  return limitKiB === undefined
    ? spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] })
    : spawn("sh", ["-c", `trap "" XFSZ; ulimit -f ${limitKiB * 2}; exec "$@"`, "sh", ...command], {
      stdio: ["ignore", "pipe", "inherit"],
    });
}

/** The values of both topics, each as `<transaction>:<number>`. */
async function contents(directory: string) {
  const log = await embeddedLog(directory);
  const found: string[][] = [];
  for (const topic of ["plain", "compacted"]) {
    const { start, end } = await log.bounds({ topic, partition: 0 });
    const reader = await log.reader([{ topic, partition: 0, offset: start }]);
    const records: LogRecord[] = [];
    for (let next = start; next < end;) {
      const [batch] = await reader.poll({ maxBytes: 1_000_000, waitMs: 0 });
      records.push(...batch!.records);
      next = batch!.next;
    }
    found.push(records.map(({ value }) => new TextDecoder().decode(value!).trimEnd()));
  }
  const [position] = await log.committed("group");
  await log.close();
  return { plain: found[0]!, compacted: new Set(found[1]!), position: position?.offset ?? 0 };
}

/** All of the first `count` transactions and nothing else. */
async function holdsExactly(directory: string, count: number): Promise<void> {
  const { plain, compacted, position } = await contents(directory);
  assert.equal(position, count);
  assert.deepEqual(plain, Array.from({ length: count * 3 }, (_, i) => `${Math.floor(i / 3)}:${i % 3}`));
  for (let key = 0; key < Math.min(count, 5); key++) {
    const newest = count - 1 - (count - 1 - key) % 5;
    assert.ok(compacted.has(`${newest}`), `the newest of key ${key} is ${newest}, of ${count}`);
  }
}

test("a process killed while it commits and cleans loses nothing it was told was committed, and halves nothing", async () => {
  const directory = await folder();
  let least = 0;
  for (let round = 0; round < 3; round++) {
    const child = run("commit-until-killed.ts", directory);
    const ended = new Promise((resolve) => child.once("close", resolve));
    let told = "";
    for await (const chunk of child.stdout) {
      told += chunk;
      if (told.split("\n").length > 60 + 25 * round) child.kill("SIGKILL");
    }
    await ended;
    const acknowledged = Number(told.trimEnd().split("\n").at(-1));
    const { position } = await contents(directory);
    assert.ok(position >= acknowledged && acknowledged > least, `${position} >= ${acknowledged} > ${least}`);
    await holdsExactly(directory, position);
    least = position;
  }
});

test("a write that fails stops all writing, moves nothing, and leaves what was there to be read", async () => {
  const directory = await folder();
  const child = run("commit-until-failure.ts", directory, 600);
  let told = "";
  for await (const chunk of child.stdout) told += chunk;
  const { committed, first, ...rest } = JSON.parse(told);
  assert.deepEqual(first.slice(0, 2), ["TIDEMARK_LOG_IO", false]);
  assert.deepEqual(rest, {
    second: ["TIDEMARK_LOG_IO", false, true],
    append: ["TIDEMARK_LOG_IO", false, true],
    ends: [committed * 3, committed],
    read: committed * 3,
  });
  assert.ok(committed > 0);
  await holdsExactly(directory, committed);
});
