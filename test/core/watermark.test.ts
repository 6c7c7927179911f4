import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Channel, minimum, watermarkFromJson, watermarkToJson } from "../../src/core/watermark.ts";

function channel(watermark: number, isIdle = false): Channel {
  const made = new Channel();
  made.advance(watermark);
  made.isIdle = isIdle;
  return made;
}

test("a channel's watermark never goes back, and what moves it wakes it", () => {
  const one = new Channel();
  assert.equal(one.watermark, -Infinity);
  one.advance(10);
  one.isIdle = true;
  one.advance(5);
  assert.deepEqual([one.watermark, one.isIdle], [10, false]);
  one.advance(-Infinity);
  assert.equal(one.watermark, 10);
  one.advance(Infinity);
  assert.equal(one.watermark, Infinity);
});

test("the minimum is that of the channels that are not idle", () => {
  assert.equal(minimum([channel(7), channel(3), channel(5)]), 3);
  assert.equal(minimum([channel(7), channel(3, true), channel(5)]), 5);
  assert.equal(minimum([channel(7, true), channel(3), channel(5, true)]), 3);
});

test("a channel that never had a record holds everything, until it is idle", () => {
  assert.equal(minimum([channel(7), new Channel()]), -Infinity);
  assert.equal(minimum([channel(7), channel(-Infinity, true)]), 7);
});

test("when all are idle it is their maximum, so that the order in which they fell silent does not matter", () => {
  assert.equal(minimum([channel(7, true), channel(3, true)]), 7);
  assert.equal(minimum([channel(3, true), channel(7, true)]), 7);
  assert.equal(minimum([channel(-Infinity, true)]), -Infinity);
});

test("without channels nothing is known, and a finished one holds nothing", () => {
  assert.equal(minimum([]), -Infinity);
  assert.equal(minimum([channel(Infinity), channel(3)]), 3);
  assert.equal(minimum([channel(Infinity)]), Infinity);
});

test("a watermark survives JSON", () => {
  fc.assert(fc.property(fc.oneof(fc.integer(), fc.constantFrom(-Infinity, Infinity)), (watermark) => {
    assert.equal(watermarkFromJson(JSON.parse(JSON.stringify(watermarkToJson(watermark)))), watermark);
  }));
});
