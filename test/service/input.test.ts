import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { TidemarkError } from "../../src/core/errors.ts";
import type { Notice } from "../../src/runtime/notice.ts";
import type { Log, LogRecord } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import { feed } from "../../src/service/input/feed.ts";
import { KEPT_LINE_BYTES, MAX_LINE_BYTES } from "../../src/service/input/lines.ts";
import type { FeedProgress, FeedResult, InputOptions, LineRecord } from "../../src/service/input/options.ts";
import { inputProducer, inputsTopic } from "../../src/service/input/position.ts";

const NOW = 1_700_000_000_000;
const DEADLINE_MS = 20_000;
const never = new AbortController().signal;
const latin1 = (bytes: Uint8Array | null): string => Buffer.from(bytes!).toString("latin1");
const bytesOf = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** A log with the topics "lines" and "wide", the dead letters and the positions. */
async function newLog(): Promise<Log> {
  const log = memoryLog();
  await log.createTopics([
    { name: "lines", partitions: 1 },
    { name: "wide", partitions: 3 },
    { name: "dead", partitions: 1 },
    { name: inputsTopic("app"), partitions: 1, compacted: true },
  ]);
  return log;
}

async function recordsOf(log: Log, topic: string, partition = 0): Promise<LogRecord[]> {
  const { start, end } = await log.bounds({ topic, partition });
  const reader = await log.reader([{ topic, partition, offset: start }]);
  const records: LogRecord[] = [];
  for (let next = start; next < end;) {
    for (const batch of await reader.poll({ maxBytes: 1 << 20, waitMs: 0 })) {
      records.push(...batch.records);
      next = batch.next;
    }
  }
  await reader.close();
  return records;
}

/** The values of a topic's first partition as text of one unit per byte. */
async function textsOf(log: Log, topic = "lines"): Promise<string[]> {
  return (await recordsOf(log, topic)).map(({ value }) => latin1(value));
}

function headersOf(record: LogRecord | undefined): Record<string, string> {
  return Object.fromEntries(record!.headers.map(([name, value]) => [name, Buffer.from(value).toString()]));
}

/** A line becomes a record of "lines", unless it begins with "!", which makes it a dead letter. */
function convert(line: Uint8Array): LineRecord[] {
  if (line[0] === 0x21) throw new Error("a line must not begin with !");
  return [{ topic: "lines", key: null, value: line }];
}

function optionsFor(log: Log, path: string, more: Partial<InputOptions> = {}): InputOptions {
  const place = () => 0;
  return {
    log,
    path,
    app: "app",
    convert,
    place,
    deadLetters: "dead",
    signal: never,
    now: () => NOW,
    pollMs: 2,
    ...more,
  };
}

/** What may still run. */
const followers = new Set<Follower>();
const children = new Set<ChildProcess>();

/** Runs a test in a folder of its own; afterwards nothing of it remains. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-input-"));
  try {
    await work(folder);
  } finally {
    await Promise.all([...followers].map((one) => one.stop().catch(() => {})));
    followers.clear();
    for (const child of children) child.kill("SIGKILL");
    children.clear();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) assert.fail(`${what} did not happen within ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A feed that follows a file, and what it says. */
class Follower {
  readonly notices: string[] = [];
  readonly done: Promise<FeedResult>;
  readonly #log: Log;
  readonly #abort = new AbortController();
  progress: FeedProgress | undefined;
  #error: unknown;

  constructor(log: Log, path: string, more: Partial<InputOptions> = {}) {
    this.#log = log;
    const onProgress = (progress: FeedProgress) => void (this.progress = progress);
    const onNotice = ({ message }: Notice) => void this.notices.push(message);
    const own = { follow: true, signal: this.#abort.signal, onProgress, onNotice };
    this.done = feed(optionsFor(log, path, { ...own, ...more }));
    this.done.catch((error) => this.#error = error);
    followers.add(this);
  }

  /** Waits for the records of all lines so far. */
  async has(...texts: readonly string[]): Promise<void> {
    let found: string[] = [];
    await until(`"${texts}"`, async () => {
      if (this.#error) throw this.#error;
      found = await textsOf(this.#log);
      return found.length >= texts.length;
    });
    assert.deepEqual(found, texts);
  }

  stop(): Promise<FeedResult> {
    this.#abort.abort();
    return this.done;
  }
}

class Crash extends Error {}

type Around = (method: string, args: unknown[], call: () => Promise<unknown>) => Promise<unknown>;

/** A log of which every call, and every call of what it hands out, goes through a function. */
function wrapped(log: Log, around: Around): Log {
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          const result = await around(String(name), args, () => member.apply(target, args));
          const isPart = typeof result === "object" && result !== null &&
            ["poll", "begin", "send"].some((one) => one in result);
          return isPart ? wrap(result) : result;
        };
      },
    });
  return wrap(log);
}

/** A log that fails at its n-th call, before or after doing what it is asked to, and at every call from then on. */
function crashing(log: Log, at: number, when: "before" | "after"): Log {
  let calls = 0;
  return wrapped(log, async (_method, _args, call) => {
    calls += 1;
    if (calls > at || (calls === at && when === "before")) throw new Crash(`call ${at}, ${when}`);
    const result = await call();
    if (calls === at) throw new Crash(`call ${at}, ${when}`);
    return result;
  });
}

/** A log that takes no value with more bytes. */
function narrow(log: Log, maxBytes: number): Log {
  return wrapped(log, async (method, [, , records], call) => {
    const isTooLarge = method === "send" &&
      (records as LineRecord[]).some(({ value }) => value && value.length > maxBytes);
    if (isTooLarge) throw new TidemarkError("TIDEMARK_RECORD_TOO_LARGE", `over ${maxBytes} bytes`);
    return await call();
  });
}

/** What must come of a text, found by other means: the lines with the place of each. */
function linesOf(text: string): { line: string; at: number }[] {
  const lines: { line: string; at: number }[] = [];
  for (const { 0: whole, index } of text.matchAll(/[^\n]*\n|[^\n]+$/g)) {
    const line = whole.replace(/\r?\n$/, "");
    if (line !== "") lines.push({ line, at: index });
  }
  return lines;
}

const aText = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("\n", "\r\n", "\r") },
    { weight: 1, arbitrary: fc.constantFrom("!", "2", "\x00", "\xff", "\xe2\x82", "\xef\xbb\xbf") },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }).map(latin1) },
  ),
  { maxLength: 60 },
).map((parts) => parts.join(""));

test("every line becomes its records, wherever pieces and chunks are cut", async () => {
  const property = fc.asyncProperty(
    aText,
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 40 }),
    (text, chunkLines, chunkBytes) =>
      inFolder(async (folder) => {
        const log = await newLog();
        writeFileSync(join(folder, "in"), text, "latin1");
        const twice = (line: Uint8Array): LineRecord[] => {
          const [record] = convert(line);
          const one = { ...record!, topic: "wide", key: latin1(line) };
          return line[0] === 0x32 ? [one, { ...one, timestamp: 5 }] : [one];
        };
        const place = (_topic: string, key: string | null) => (key ?? "").length % 3;
        const options = optionsFor(log, join(folder, "in"), { convert: twice, place, chunkLines, chunkBytes });
        const result = await feed(options);

        const lines = linesOf(text);
        const good = lines.filter(({ line }) => !line.startsWith("!"));
        const dead = lines.filter(({ line }) => line.startsWith("!"));
        const expected = good.flatMap(({ line }) => line.startsWith("2") ? [[line, NOW], [line, 5]] : [[line, NOW]]);
        for (const partition of [0, 1, 2]) {
          const found = (await recordsOf(log, "wide", partition)).map((
            { value, timestamp },
          ) => [latin1(value), timestamp]);
          assert.deepEqual(found, expected.filter(([line]) => (line as string).length % 3 === partition));
        }
        const letters = await recordsOf(log, "dead");
        assert.deepEqual(letters.map(({ value }) => latin1(value)), dead.map(({ line }) => line));
        assert.deepEqual(letters.map((one) => headersOf(one)["dlq.offset"]), dead.map(({ at }) => String(at)));
        assert.deepEqual(result, {
          lines: (text.match(/\n/g)?.length ?? 0) + (/[^\n]$/.test(text) ? 1 : 0),
          records: expected.length,
          deadLetters: dead.length,
          bytes: text.length,
        });
        assert.equal((await feed(options)).lines, 0);
      }),
  );
  await fc.assert(property, { numRuns: 150 });
});

test("a crash at any call of the log neither loses nor doubles a line", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const texts = ["one", "two", "!three", "four", "five", "!six", "seven", "eight"];
    writeFileSync(path, `${texts.join("\n")}\n\n`);
    for (const when of ["before", "after"] as const) {
      let crashes = 0;
      for (let hasEnded = false; !hasEnded;) {
        const log = await newLog();
        const broken = optionsFor(crashing(log, crashes + 1, when), path, { chunkLines: 3 });
        hasEnded = await feed(broken).then(() => true, (error) => {
          assert.ok(error instanceof Crash, String(error));
          return false;
        });
        await feed(optionsFor(log, path, { chunkLines: 2 }));
        assert.deepEqual(
          await textsOf(log),
          texts.filter((one) => !one.startsWith("!")),
          `call ${crashes + 1}, ${when}`,
        );
        assert.deepEqual(await textsOf(log, "dead"), ["!three", "!six"], `call ${crashes + 1}, ${when}`);
        if (!hasEnded) crashes += 1;
      }
      assert.ok(crashes > 20, `only ${crashes} calls were tried`);
    }
  }));

test("crash after crash while the file grows neither loses nor doubles a line", async () => {
  const aRun = fc.record({
    lines: fc.array(fc.constantFrom("a", "bb", "", "!c", "\xff\xfe", "d\r"), { maxLength: 12 }),
    at: fc.integer({ min: 1, max: 40 }),
    when: fc.constantFrom("before" as const, "after" as const),
    chunkBytes: fc.integer({ min: 1, max: 30 }),
  });
  const property = fc.asyncProperty(
    fc.array(aRun, { minLength: 1, maxLength: 6 }),
    fc.boolean(),
    (runs, isGzip) =>
      inFolder(async (folder) => {
        const path = join(folder, "in");
        const log = await newLog();
        let text = "# the first line is longer than any chunk here\n";
        for (const { lines, at, when, chunkBytes } of runs) {
          if (!isGzip) text += lines.map((line) => `${line}\n`).join("");
          writeFileSync(path, isGzip ? gzipSync(bytesOf(text)) : bytesOf(text));
          await feed(optionsFor(crashing(log, at, when), path, { chunkBytes })).catch((error) => {
            if (!(error instanceof Crash)) throw error;
          });
        }
        await feed(optionsFor(log, path));
        const lines = linesOf(text).map(({ line }) => line);
        assert.deepEqual(await textsOf(log), lines.filter((line) => !line.startsWith("!")));
        assert.deepEqual(await textsOf(log, "dead"), lines.filter((line) => line.startsWith("!")));
      }),
  );
  await fc.assert(property, { numRuns: 60 });
});

test("a crash at any call of the log while a followed file is rotated neither loses nor doubles a line", () =>
  inFolder(async (folder) => {
    for (const when of ["before", "after"] as const) {
      let hasEnded = false;
      let at = 1;
      for (; !hasEnded; at++) {
        const path = join(folder, `${when}-${at}`);
        const log = await newLog();
        writeFileSync(path, "1\n2\n");
        let follower = new Follower(crashing(log, at, when), path, { chunkLines: 2 });
        let isDown = false;
        const restart = async () => {
          const error = await follower.done.then(() => undefined, (error) => error);
          if (error === undefined) return;
          assert.ok(error instanceof Crash, String(error));
          isDown = true;
          follower = new Follower(log, path, { chunkLines: 2 });
        };
        const restarted = restart();
        const seen = (count: number) => until(`line ${count}`, async () => (await textsOf(log)).length >= count);
        await seen(2);
        appendFileSync(path, "3\n4\n5\n6");
        renameSync(path, `${path}.1`);
        writeFileSync(path, "7\n8\n9\n");
        await seen(9);
        await follower.stop().catch(() => {});
        await restarted;
        await follower.stop();
        assert.deepEqual(await textsOf(log), [..."123456789"], `call ${at}, ${when}`);
        hasEnded = !isDown;
      }
      assert.ok(at > 25, `only ${at} calls were tried`);
    }
  }));

test("a dead letter has the line's bytes, its place and the reason", () =>
  inFolder(async (folder) => {
    const path = join(folder, "words.txt");
    const log = await newLog();
    writeFileSync(path, bytesOf("good\r\n\xff!bad\r\nworse\nodd\n"));
    await feed(optionsFor(log, path, {
      convert: (line) => {
        if (line[0] === 0xff) throw new TidemarkError("TIDEMARK_KEY_INVALID", "x".repeat(5_000));
        if (line[0] === 0x77) throw "worse than an error";
        return [{ topic: "lines", key: "k", value: "text", timestamp: line[0] === 0x6f ? 1.5 : 7 }];
      },
    }));
    const [good, ...others] = await recordsOf(log, "lines");
    assert.deepEqual([latin1(good!.key), latin1(good!.value), good!.timestamp, others.length], ["k", "text", 7, 0]);
    const [bad, worse, odd] = await recordsOf(log, "dead");
    assert.deepEqual([bad!.key, latin1(bad!.value), bad!.timestamp], [null, "\xff!bad", NOW]);
    assert.deepEqual(headersOf(bad), {
      "dlq.topic": "words.txt",
      "dlq.partition": "0",
      "dlq.offset": "6",
      "dlq.timestamp": String(NOW),
      "dlq.reason": "TIDEMARK_KEY_INVALID",
      "dlq.message": "x".repeat(1_024),
    });
    assert.equal(headersOf(worse)["dlq.reason"], "TIDEMARK_INPUT_UNPARSABLE");
    assert.equal(headersOf(worse)["dlq.message"], "worse than an error");
    assert.equal(headersOf(odd)["dlq.reason"], "TIDEMARK_INPUT_UNPARSABLE");
    assert.match(headersOf(odd)["dlq.message"]!, /its timestamp is 1\.5/);
  }));

test("a line over 1 MiB is a dead letter of its first 64 KiB, one of 1 MiB is not", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const whole = "a".repeat(MAX_LINE_BYTES);
    for (const [end, chunkBytes] of [["\n", 100_000], ["\r\n", MAX_LINE_BYTES + 1], ["\r\n", 1 << 22]] as const) {
      const log = await newLog();
      writeFileSync(path, [whole, `b${whole}`, "between", `c${whole.repeat(5)}`, whole, `d${whole}`].join(end));
      const result = await feed(optionsFor(log, path, { chunkBytes }));
      assert.ok((await textsOf(log)).every((text, i) => text === [whole, "between", whole][i]));
      const letters = await recordsOf(log, "dead");
      assert.deepEqual(
        letters.map(({ value }) => [value!.length, value![0]]),
        [..."bcd"].map((one) => [65_536, one.charCodeAt(0)]),
      );
      assert.equal(headersOf(letters[1])["dlq.offset"], String(2 * MAX_LINE_BYTES + 8 + 3 * end.length));
      assert.equal(headersOf(letters[1])["dlq.reason"], "TIDEMARK_INPUT_UNPARSABLE");
      assert.match(headersOf(letters[1])["dlq.message"]!, new RegExp(`it has ${5 * MAX_LINE_BYTES + 1} bytes`));
      assert.deepEqual([result.lines, result.records, result.deadLetters], [6, 3, 3]);
    }
  }));

test("a line whose record or dead letter is larger than the log takes is cut, the lines around it are not", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    const long = "x".repeat(100_000);
    writeFileSync(path, ["1", `!${long}`, "2", `3${long}`, "4", ""].join("\n"));
    await assert.rejects(feed(optionsFor(narrow(log, KEPT_LINE_BYTES - 1), path)), {
      code: "TIDEMARK_RECORD_TOO_LARGE",
    });
    assert.deepEqual(await textsOf(log), ["1"]);
    await feed(optionsFor(narrow(log, KEPT_LINE_BYTES), path));
    assert.deepEqual(await textsOf(log), ["1", "2", "4"]);
    const letters = await recordsOf(log, "dead");
    assert.deepEqual(letters.map(({ value }) => value!.length), [KEPT_LINE_BYTES, KEPT_LINE_BYTES]);
    assert.deepEqual(letters.map(headersOf).map((one) => [one["dlq.reason"], one["dlq.offset"], one["dlq.message"]]), [
      ["TIDEMARK_RECORD_TOO_LARGE", "2", "over 65536 bytes"],
      ["TIDEMARK_RECORD_TOO_LARGE", "100006", "over 65536 bytes"],
    ]);
  }));

test("the last line counts without its end, but in a followed file only once its end is there", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const once = await newLog();
    writeFileSync(path, "one\r\n\r\ntw");
    assert.deepEqual(await feed(optionsFor(once, path)), { lines: 3, records: 2, deadLetters: 0, bytes: 9 });
    assert.deepEqual(await textsOf(once), ["one", "tw"]);

    const log = await newLog();
    const follower = new Follower(log, path);
    await follower.has("one");
    appendFileSync(path, "o\r");
    appendFileSync(path, "\nthree\nfo");
    await follower.has("one", "two", "three");
    await until("all to be read", () => follower.progress!.readBytes === 20);
    assert.deepEqual(await follower.stop(), { lines: 4, records: 3, deadLetters: 0, bytes: 18 });
    appendFileSync(path, "ur\n");
    await feed(optionsFor(log, path));
    assert.deepEqual(await textsOf(log), ["one", "two", "three", "four"]);
  }));

test("a followed file that was renamed is read to its end before the new one, its last line without an end too", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const log = await newLog();
    writeFileSync(path, "one\n");
    const follower = new Follower(log, path);
    await follower.has("one");
    const writer = openSync(path, "a");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "four\n");
    writeSync(writer, "two\nthr");
    writeSync(writer, "ee");
    closeSync(writer);
    await follower.has("one", "two", "three", "four");
    renameSync(path, `${path}.1`); // and again, now with a while between
    await until("the notice", () => follower.notices.length === 2);
    appendFileSync(`${path}.1`, "five\n");
    await follower.has("one", "two", "three", "four", "five");
    writeFileSync(path, "");
    await until("the new file to be turned to", () => follower.progress!.sizeBytes === 0);
    appendFileSync(path, "six\n");
    await follower.has("one", "two", "three", "four", "five", "six");
    const result = await follower.stop();
    assert.deepEqual(result, { lines: 6, records: 6, deadLetters: 0, bytes: 4 + 9 + 5 + 5 + 4 });
    const rotated = `"${path}" was rotated: the old file was read to its end, the new one is read from its start`;
    assert.deepEqual(follower.notices, [rotated, `"${path}" is gone: waiting for it to come back`, rotated]);
  }));

test("files that were rotated several times are read one after the other, followed or not", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const log = await newLog();
    const rotate = (count: number, text: string) => {
      for (let n = count; n > 0; n--) renameSync(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
      writeFileSync(path, text);
    };
    writeFileSync(path, "");
    const follower = new Follower(log, path);
    await until("the start", () => follower.progress !== undefined);
    appendFileSync(path, "1\n");
    rotate(1, "2\n3");
    rotate(2, "4\n");
    rotate(3, "5\n");
    await follower.has("1", "2", "3", "4", "5");
    await follower.stop();
    appendFileSync(path, "6\n");
    rotate(4, "7\n");
    rotate(5, "8\n");
    const notices: string[] = [];
    await feed(optionsFor(log, path, { onNotice: ({ message }) => void notices.push(message) }));
    assert.deepEqual(await textsOf(log), [..."12345678"]);
    assert.deepEqual(notices, [
      `"${path}" was rotated or replaced while nothing was running: the rest of the old file, now "${path}.2", is read first`,
    ]);
    appendFileSync(path, "9\n");
    rotate(6, "lost\n");
    rotate(7, "10\n");
    rotate(8, "11\n");
    unlinkSync(`${path}.2`);
    await feed(optionsFor(log, path));
    assert.deepEqual((await textsOf(log)).slice(8), ["9", "10", "11"]);
  }));

test("a followed file that was truncated is read from its start, also when it has grown past its old size since", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const log = await newLog();
    writeFileSync(path, "a long first line\n");
    const follower = new Follower(log, path);
    await follower.has("a long first line");
    truncateSync(path);
    appendFileSync(path, "b\n");
    await follower.has("a long first line", "b");
    writeFileSync(path, "another line that is longer\n");
    await follower.has("a long first line", "b", "another line that is longer");
    await follower.stop();
    assert.equal(follower.notices.length, 2);
    for (const notice of follower.notices) {
      assert.match(notice, /"[^"]+app\.log" was truncated or written anew: it is read from/);
    }
  }));

test("what copying and truncating left in the copy is read first", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const log = await newLog();
    writeFileSync(path, "one\n");
    const follower = new Follower(log, path);
    await follower.has("one");
    appendFileSync(path, "two\nthree\n"); // nothing between here and the truncation lets the follower run
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    appendFileSync(path, "4\n");
    await follower.has("one", "two", "three", "4");
    await follower.stop();
    assert.deepEqual(follower.notices.slice(0, 1), [
      `"${path}" was truncated or written anew: the rest of the old file, now "${path}.1", is read first`,
    ]);

    appendFileSync(path, "5\n6\n"); // the same while nothing runs
    copyFileSync(path, `${path}.1`);
    writeFileSync(path, "seven\n");
    const notices: string[] = [];
    await feed(optionsFor(log, path, { onNotice: ({ message }) => void notices.push(message) }));
    assert.deepEqual(await textsOf(log), ["one", "two", "three", "4", "5", "6", "seven"]);
    assert.deepEqual(notices, [
      `"${path}" was rotated or replaced while nothing was running: the rest of the old file, now "${path}.1", is read first`,
    ]);
  }));

test("a file that was renamed while nothing was running is read to its end before the new one", () =>
  inFolder(async (folder) => {
    const path = join(folder, "app.log");
    const log = await newLog();
    const header = "# header".repeat(300); // longer than what is compared
    writeFileSync(path, `${header}\n`);
    await feed(optionsFor(log, path));
    appendFileSync(path, "one\ntwo");
    renameSync(path, `${path}.1`);
    writeFileSync(path, `${header}\nthree\n`);
    const follower = new Follower(log, path);
    await follower.has(header, "one", "two", header, "three");
    await follower.stop();
    await feed(optionsFor(log, path));
    assert.equal((await textsOf(log)).length, 5);
  }));

test("a file that was replaced while nothing was running is read from its start", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    const notices: string[] = [];
    const once = () => feed(optionsFor(log, path, { onNotice: ({ message }) => void notices.push(message) }));
    const header = "# header ".repeat(300);
    const versions = [`${header}\na1\na2\n`, `${header}\nb1\nb2\nb3\n`, "short\n", `${header}\nc\n`, "", "d\n"];
    for (const version of versions) {
      writeFileSync(path, version);
      writeFileSync(`${path}.1`, "no copy of it\n");
      await once();
      await once();
    }
    const expected = versions.flatMap((version) => version.split("\n")).filter((line) => line !== "");
    assert.deepEqual(await textsOf(log), expected);
    assert.equal(notices.length, 4);
    assert.equal(
      notices[0],
      `"${path}" was rotated or replaced while nothing was running: it is read from its start; ` +
        `lines of the old file after byte ${versions[0]!.length} are not read`,
    );
    copyFileSync(path, `${path}.copy`); // another inode, the same file all the same
    renameSync(`${path}.copy`, path);
    appendFileSync(path, "e\n");
    await once();
    assert.deepEqual(await textsOf(log), [...expected, "e"]);
    assert.equal(notices.length, 4);
  }));

test("an older file is not read again when the newest, of which nothing was read, is gone", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(`${path}.1`, "old\n");
    writeFileSync(path, "");
    await feed(optionsFor(log, path));
    unlinkSync(path);
    const follower = new Follower(log, path);
    await until("the notice", () => follower.notices.length > 0);
    writeFileSync(path, "new\n");
    await follower.has("new");
    await follower.stop();
  }));

test("a followed file that is gone is waited for, and noticed once", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(path, "one\n");
    await feed(optionsFor(log, path));
    unlinkSync(path);
    const follower = new Follower(log, path);
    await until("the notice", () => follower.notices.length > 0);
    writeFileSync(path, "one\ntwo\n");
    await follower.has("one", "two");
    unlinkSync(path);
    await until("the second notice", () => follower.notices.length > 1);
    writeFileSync(path, "three\n");
    await follower.has("one", "two", "three");
    await follower.stop();
    const gone = `"${path}" is gone: waiting for it to come back`;
    assert.deepEqual(follower.notices.filter((notice) => notice.includes("gone")), [gone, gone]);
  }));

test("abort ends a feed at once, and the next goes on where it was", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(path, "1\n2\n3\n4\n5\n");
    const idle = new Follower(log, path, { pollMs: 1_000_000, chunkLines: 5 });
    await idle.has("1", "2", "3", "4", "5");
    await idle.stop();
    appendFileSync(path, "6\n7\n8\n9\n");
    const abort = new AbortController();
    const onProgress = ({ lines }: FeedProgress) => lines === 2 && abort.abort();
    const result = await feed(optionsFor(log, path, { chunkLines: 1, signal: abort.signal, onProgress }));
    assert.equal(result.lines, 2);
    assert.equal((await feed(optionsFor(log, path, { signal: abort.signal }))).lines, 0);
    assert.equal((await feed(optionsFor(log, path))).lines, 2);
    assert.deepEqual(await textsOf(log), [..."123456789"]);
  }));

test("abort at any moment leaves nothing half read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    writeFileSync(path, "1\n22\n333\nlast");
    for (let at = 1, hasEnded = false; !hasEnded; at++) {
      const log = await newLog();
      const { signal } = new AbortController();
      let looks = 0;
      Object.defineProperty(signal, "aborted", { get: () => ++looks >= at });
      await feed(optionsFor(log, path, { chunkBytes: 2, signal }));
      hasEnded = looks < at;
      assert.ok(hasEnded || at < 100);
      await feed(optionsFor(log, path));
      assert.deepEqual(await textsOf(log), ["1", "22", "333", "last"], `look ${at}`);
    }
  }));

test("gzip is told by its first bytes, read to its end over all members, and gone on with after a restart", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in.log");
    const log = await newLog();
    const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i} ${"abc".repeat(i % 7)}`);
    const text = lines.join("\n");
    const gzip = Buffer.concat([gzipSync(text.slice(0, 777)), gzipSync(text.slice(777))]);
    writeFileSync(path, gzip);
    const abort = new AbortController();
    const onProgress = (progress: FeedProgress) => progress.lines === 3_000 && abort.abort();
    await feed(optionsFor(log, path, { signal: abort.signal, onProgress }));
    assert.equal((await textsOf(log)).length, 3_000);
    let last: FeedProgress | undefined;
    await feed(optionsFor(log, path, { onProgress: (progress) => void (last = progress) }));
    assert.deepEqual(await textsOf(log), lines);
    assert.deepEqual([last!.lines, last!.readBytes, last!.sizeBytes], [2_000, gzip.length, gzip.length]);
    await assert.rejects(feed(optionsFor(log, path, { follow: true })), {
      code: "TIDEMARK_INPUT_UNREADABLE",
      message: `Cannot follow "${path}": it is gzip, which cannot be read as it grows. Feed it without following it`,
    });
  }));

test("a gzip file that is not complete is an error after its whole lines, and a complete one goes on", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in.gz");
    const log = await newLog();
    const lines = Array.from({ length: 3_000 }, (_, i) => `${i} ${Math.imul(i, 0x9e3779b1)}`);
    const whole = gzipSync(lines.join("\n"));
    writeFileSync(path, whole.subarray(0, whole.length >> 1));
    await assert.rejects(feed(optionsFor(log, path)), {
      code: "TIDEMARK_INPUT_UNREADABLE",
      message: `Cannot read "${path}": its gzip data is damaged or not complete: unexpected end of file. ` +
        "Get a sound copy; what came before is in the log",
    });
    const before = await textsOf(log);
    assert.ok(before.length > 1_000 && before.length < 2_000, `${before.length} lines`);
    assert.deepEqual(before, lines.slice(0, before.length));
    writeFileSync(path, whole);
    await feed(optionsFor(log, path));
    assert.deepEqual(await textsOf(log), lines);
  }));

test("a file that cannot be read is an error that names it", () =>
  inFolder(async (folder) => {
    const log = await newLog();
    const refused = (path: string, follow: boolean, what: RegExp) =>
      assert.rejects(feed(optionsFor(log, path, { follow })), (error) => {
        assert.ok(error instanceof TidemarkError);
        assert.equal(error.code, "TIDEMARK_INPUT_UNREADABLE");
        assert.ok(error.message.startsWith(`Cannot read "${path}": `), error.message);
        assert.match(error.message, what);
        return true;
      });
    for (const follow of [false, true]) {
      await refused(join(folder, "none"), follow, /ENOENT/);
      await refused(folder, follow, /it is a directory/);
      await refused("/dev/null", follow, /it is not a file; send it through standard input with "-"/);
    }
  }));

test("a feed ends with an error when the file is fed a second time, a topic is missing or an option is out of bounds", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(path, "1\n");
    const first = new Follower(log, path);
    await first.has("1");
    const second = new Follower(log, path);
    await until("the second to start", () => second.progress !== undefined);
    appendFileSync(path, "2\n");
    await assert.rejects(first.done, { code: "TIDEMARK_LOG_FENCED" });
    await second.has("1", "2");
    await second.stop();
    appendFileSync(path, "3\n");
    const nowhere = () => [{ topic: "nowhere", key: null, value: "" }];
    await assert.rejects(feed(optionsFor(log, path, { convert: nowhere })), { code: "TIDEMARK_LOG_TOPIC_UNKNOWN" });
    const noPlace = () => {
      throw new RangeError("no place");
    };
    await assert.rejects(feed(optionsFor(log, path, { place: noPlace })), RangeError);
    for (const option of ["pollMs", "chunkLines", "chunkBytes"]) {
      await assert.rejects(feed(optionsFor(log, path, { [option]: 0 })), {
        code: "TIDEMARK_OPTION_INVALID",
        message: `Cannot feed "${path}" with ${option} = 0: give a whole number from 1`,
      });
    }
    await feed(optionsFor(log, path));
    assert.deepEqual(await textsOf(log), ["1", "2", "3"]);
  }));

test("a position that is not readable is an error, not a start from the beginning", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(path, "1\n");
    await log.append(inputsTopic("app"), 0, [{ key: path, value: '{"bytes":-1}', timestamp: NOW }]);
    await assert.rejects(feed(optionsFor(log, path)), { code: "TIDEMARK_LOG_CORRUPT" });
    assert.deepEqual(await textsOf(log), []);
  }));

test("the position in the log says how much was read of which file", () =>
  inFolder(async (folder) => {
    const path = join(folder, "in");
    const log = await newLog();
    writeFileSync(path, "one\n\ntwo\n");
    await feed(optionsFor(log, path, { chunkLines: 2 }));
    appendFileSync(path, "three\n");
    await feed(optionsFor(log, path));
    const positions = (await recordsOf(log, inputsTopic("app"))).filter(({ value }) => value !== null);
    assert.ok(positions.every(({ key }) => latin1(key) === path));
    const { dev, ino } = statSync(path);
    assert.deepEqual(
      positions.map(({ value }) => JSON.parse(latin1(value))),
      [[0, 0], [5, 2], [9, 3], [15, 4]].map(
        ([bytes = 0, lines]) => {
          const head = "one\n\ntwo\nthree\n".slice(0, bytes);
          const sha256 = createHash("sha256").update(head + head).digest("hex");
          return { bytes, lines, file: `${dev}:${ino}`, fingerprint: { bytes, sha256 } };
        },
      ),
    );
  }));

test("the transactional id is legal for every path, and another one for another path", () => {
  const ids = ["/var/log/a b/ü.log", "/var/log/a", "-"].map((path) => inputProducer("app", path));
  for (const id of ids) assert.match(id, /^app\.input\.[0-9a-f]{16}$/);
  assert.equal(new Set(ids).size, ids.length);
});

/** A process that feeds its standard input, says how far it is, and at last what is in its log. */
const CHILD = `
  import process from "node:process";
  import { memoryLog } from "${new URL("../../src/log/memory/log.ts", import.meta.url)}";
  import { feed } from "${new URL("../../src/service/input/feed.ts", import.meta.url)}";
  const log = memoryLog();
  await log.createTopics([{ name: "lines", partitions: 1 }, { name: "dead", partitions: 1 }]);
  const abort = new AbortController();
  process.on("SIGTERM", () => abort.abort());
  const result = await feed({
    log, app: "app", path: "-", deadLetters: "dead", place: () => 0, now: () => 1, signal: abort.signal,
    convert: (line) => [{ topic: "lines", key: null, value: line }],
    onProgress: (progress) => console.log(JSON.stringify(progress)),
  });
  const reader = await log.reader([{ topic: "lines", partition: 0, offset: 0 }]);
  const [batch] = await reader.poll({ maxBytes: 1 << 30, waitMs: 0 });
  const lines = (batch?.records ?? []).map(({ value }) => new TextDecoder().decode(value));
  process.stdout.write(JSON.stringify({ result, lines }) + "\\n", () => process.exit(0));
`;

/** Starts such a process. `said` holds the lines it prints, each read as JSON. */
function startChild(folder: string) {
  const script = join(folder, "child.mjs");
  writeFileSync(script, CHILD);
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  const said: Record<string, unknown>[] = [];
  let text = "";
  child.stdout.on("data", (piece: Uint8Array) => {
    const lines = (text + new TextDecoder().decode(piece)).split("\n");
    text = lines.pop()!;
    said.push(...lines.map((line) => JSON.parse(line)));
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  return { child, said, ended };
}

test("standard input is fed as it comes, to its end", () =>
  inFolder(async (folder) => {
    const { child, said, ended } = startChild(folder);
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
    child.stdin.write("first\nsec");
    await until("the first line", () => said.at(-1)?.["lines"] === 1);
    assert.deepEqual(said.at(-1), { lines: 1, records: 1, deadLetters: 0, bytes: 6, readBytes: 9 });
    child.stdin.write(`ond\n${lines.join("\n")}\nlast`);
    child.stdin.end();
    await ended;
    assert.deepEqual(said.at(-1)?.["lines"], ["first", "second", ...lines, "last"]);
    assert.equal((said.at(-1)?.["result"] as FeedResult).lines, 20_003);
  }));

test("abort ends the reading of standard input that nobody ends", () =>
  inFolder(async (folder) => {
    const { child, said, ended } = startChild(folder);
    child.stdin.write("first\nsec");
    await until("the first line", () => said.at(-1)?.["lines"] === 1);
    process.kill(child.pid!, "SIGTERM"); // child.kill() of Deno also ends the standard input
    await ended;
    assert.deepEqual(said.at(-1)?.["lines"], ["first"]);
    child.stdin.destroy();
  }));
