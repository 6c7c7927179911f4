import assert from "node:assert/strict";
import type { Header, LogRecord, NewRecord } from "../log.ts";
import { type Add, bytes, type Case, record, refused, text } from "./case.ts";

/** What a record keeps on its way through the log, by transaction and by append. */
export function recordCases(add: Add): void {
  add("timestamps are kept as they were set, in any order", async (c) => {
    const times = [1_700_000_000_000, 0, 1, 1_700_000_000_000, 8_640_000_000_000_000, 42, 2 ** 31, 2 ** 32 + 1];
    for (const found of await through(c, times.map((time) => record("x", null, time)))) {
      assert.deepEqual(found.map(({ timestamp }) => timestamp), times);
    }
  });

  add("null and empty are different, for keys and for values", async (c) => {
    const sent = [
      record(null, null),
      record("", null),
      record(null, ""),
      record("", ""),
      record(null, "k"),
      record("v"),
    ];
    for (const found of await through(c, sent)) {
      assert.deepEqual(
        found.map(({ key, value }) => [text(key), text(value)]),
        sent.map(({ key, value }) => [key, value]),
      );
    }
  });

  add("a key of four zero bytes is a key like any other, also where a transaction was aborted", async (c) => {
    const topic = await c.topic();
    const producer = await c.producer();
    const sent = { key: new Uint8Array(4), value: "zero", timestamp: 1 };
    const lost = await producer.begin();
    await lost.send(topic, 0, [record("lost 1"), { ...sent, value: "lost 2" }, record("lost 3")]);
    await lost.abort();
    const kept = await producer.begin();
    await kept.send(topic, 0, [record("kept 1"), sent, record("kept 2")]);
    await kept.commit();
    const found = await c.contents(topic);
    assert.deepEqual(found.map(({ value }) => text(value)), ["kept 1", "zero", "kept 2"]);
    assert.deepEqual([...found[1]!.key!], [0, 0, 0, 0]);
    await producer.close();
  });

  add("text is written as UTF-8", async (c) => {
    const texts = [
      "plain",
      "ä",
      "€",
      "日本語",
      "😀",
      "a\u0000b",
      "x".repeat(41) + "ö",
      "é".repeat(70),
      "mixed ü ".repeat(30),
    ];
    for (const found of await through(c, texts.map((value) => record(value, value)))) {
      for (const [i, { key, value }] of found.entries()) {
        assert.deepEqual(plain(value), bytes(texts[i]!));
        assert.deepEqual(plain(key), bytes(texts[i]!));
      }
    }
  });

  add("bytes are kept as they are, and taken at the call", async (c) => {
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const reused = new Uint8Array(every);
    const topic = await c.topic();
    const sending = c.log.append(topic, 0, [{ key: reused, value: reused, timestamp: 1, headers: [["h", reused]] }]);
    await sending;
    reused.fill(7);
    const window = new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5);
    await c.log.append(topic, 0, [{ key: window, value: window, timestamp: 1 }]);
    const [first, second] = await c.contents(topic);
    assert.deepEqual([plain(first!.key), plain(first!.value), plain(first!.headers[0]![1])], [every, every, every]);
    assert.deepEqual([plain(second!.key), plain(second!.value)], [
      new Uint8Array([1, 2, 3]),
      new Uint8Array([1, 2, 3]),
    ]);
  });

  add("headers keep their order, repeated names, and empty names and values", async (c) => {
    const headers: Header[] = [
      ["z", bytes("1")],
      ["a", bytes("2")],
      ["z", new Uint8Array()],
      ["", bytes("no name")],
      ["größe", Uint8Array.of(0, 255)],
      ["z", bytes("1")],
    ];
    const sent = [{ ...record("with"), headers }, record("without"), { ...record("none"), headers: [] }];
    for (const [first, second, third] of await through(c, sent)) {
      assert.deepEqual(first!.headers.map(([name, value]) => [name, plain(value)]), headers);
      assert.deepEqual(second!.headers, []);
      assert.deepEqual(third!.headers, []);
    }
  });

  add("large records come through whole, small ones around them", async (c) => {
    const large = new Uint8Array(900_000).map((_, i) => i * 31 + (i >> 8));
    const sent = [
      record("a"),
      { key: "k", value: large, timestamp: 1 },
      record("b"),
      record("y".repeat(700_000)),
      record("c"),
    ];
    for (const found of await through(c, sent)) {
      assert.deepEqual(found.map(({ value }) => value!.length), [1, 900_000, 1, 700_000, 1]);
      assert.deepEqual(plain(found[1]!.value), large);
    }
  });

  add("many records sent at once come through in order", async (c) => {
    const sent = Array.from({ length: 20_000 }, (_, i) => record(`value ${i}`, `key ${i}`, i));
    for (const found of await through(c, sent)) {
      assert.equal(found.length, sent.length);
      for (const [i, { key, value, timestamp }] of found.entries()) {
        if (text(value) !== `value ${i}` || text(key) !== `key ${i}` || timestamp !== i) assert.fail(`record ${i}`);
      }
    }
  });

  add("a timestamp that is no whole number of ms is refused, and nothing is written", async (c) => {
    const topic = await c.topic();
    for (const time of [Number.NaN, Infinity, 1.5]) {
      await refused("TIDEMARK_OPTION_INVALID", () => c.log.append(topic, 0, [record("lost"), record("x", null, time)]));
    }
    assert.deepEqual(await c.values(topic), []);
  });

  add("a record larger than the log takes is refused, and nothing is written", async (c) => {
    const topic = await c.topic();
    const huge = { key: null, value: new Uint8Array(64 * 1024 * 1024), timestamp: 1 };
    await refused("TIDEMARK_RECORD_TOO_LARGE", () => c.log.append(topic, 0, [record("lost"), huge]));
    const producer = await c.producer();
    const transaction = await producer.begin();
    await refused("TIDEMARK_RECORD_TOO_LARGE", () => transaction.send(topic, 0, [record("lost"), huge]));
    await transaction.abort();
    assert.deepEqual(await c.values(topic), []);
    await producer.close();
  });

  add("an append tells the offsets of its first and last record, and an append of nothing is refused", async (c) => {
    const topic = await c.topic(2);
    await c.log.append(topic, 1, [record("a")]);
    const ack = await c.log.append(topic, 1, [record("b"), record("c"), record("d")]);
    const found = await c.contents(topic, 1);
    assert.deepEqual(ack, { topic, partition: 1, first: found[1]!.offset, last: found[3]!.offset });
    await refused("TIDEMARK_OPTION_INVALID", () => c.log.append(topic, 1, []));
  });

  add("appends made at the same time are all written, each once", async (c) => {
    const topic = await c.topic();
    const sent = Array.from({ length: 50 }, (_, i) => `${i}`);
    const acks = await Promise.all(sent.map((value) => c.log.append(topic, 0, [record(value)])));
    const found = await c.contents(topic);
    assert.deepEqual(found.map(({ value }) => text(value)).toSorted(), sent.toSorted());
    for (const { offset, value } of found) assert.equal(acks[Number(text(value))]!.first, offset);
  });
}

/** What a log makes of some records, written by append and by transaction. */
async function through(c: Case, sent: readonly NewRecord[]): Promise<LogRecord[][]> {
  const topic = await c.topic(2);
  await c.log.append(topic, 0, sent);
  const producer = await c.producer();
  const transaction = await producer.begin();
  await transaction.send(topic, 1, sent.slice(0, 2));
  await transaction.send(topic, 1, sent.slice(2));
  await transaction.commit();
  await producer.close();
  const found = [await c.contents(topic, 0), await c.contents(topic, 1)];
  for (const records of found) assert.equal(records.length, sent.length);
  return found;
}

/** Bytes as a Uint8Array of their own, whatever subclass or window they came as. */
function plain(content: Uint8Array | null): Uint8Array | null {
  return content === null ? null : Uint8Array.from(content);
}
