import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { recordLine } from "../../src/http/record-line.ts";

const encoder = new TextEncoder();
const RECORD = { topic: "t", partition: 1, offset: 2, timestamp: 3, key: null, value: null, headers: [] };

test("a record without key and value has them as null", () => {
  assert.equal(
    recordLine(RECORD),
    '{"topic":"t","partition":1,"offset":2,"timestamp":3,"key":null,"value":null,"headers":[]}',
  );
});

test("a value keeps every digit and member of its JSON, on one line", () => {
  const json = '{"n":1e400,\r\n"big":9007199254740993,"twice":1,"twice":2,\n"text":"a\\nb"}';
  const line = recordLine({ ...RECORD, value: encoder.encode(json) });
  assert.ok(line.includes('"value":{"n":1e400,  "big":9007199254740993,"twice":1,"twice":2, "text":"a\\nb"},'));
  assert.equal(JSON.parse(line).value.text, "a\nb");
});

test("what is not text or not JSON is base64", () => {
  const bytes = new Uint8Array([0xff, 0x00, 0xfe]);
  const record = { ...RECORD, key: bytes, value: bytes, headers: [["h", bytes], ["h", encoder.encode("é")]] as const };
  const line = JSON.parse(recordLine(record));
  assert.equal(line.keyBase64, "/wD+");
  assert.equal(line.valueBase64, "/wD+");
  assert.equal("key" in line || "value" in line, false);
  assert.deepEqual(line.headers, [["h", { base64: "/wD+" }], ["h", "é"]]);
  assert.equal(JSON.parse(recordLine({ ...RECORD, value: encoder.encode("{") })).valueBase64, "ew==");
  assert.equal(JSON.parse(recordLine({ ...RECORD, value: encoder.encode("\ufeff1") })).valueBase64, "77u/MQ==");
});

test("any JSON value, however it is laid out, is there unchanged in one line; any bytes come back", () => {
  const layout = fc.constantFrom(undefined, 2, "\t");
  fc.assert(fc.property(fc.jsonValue(), layout, fc.uint8Array(), (value, space, bytes) => {
    const text = JSON.stringify(value, null, space);
    const line = recordLine({ ...RECORD, key: bytes, value: encoder.encode(text) });
    assert.ok(!/[\r\n]/.test(line));
    const parsed = JSON.parse(line);
    assert.deepEqual(parsed.value, JSON.parse(text));
    const key = parsed.keyBase64 === undefined ? encoder.encode(parsed.key) : decode(parsed.keyBase64);
    assert.deepEqual([...key], [...bytes]);
  }));
});

function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0));
}
