import assert from "node:assert/strict";
import { test } from "node:test";
import { Rate } from "../../../src/cli/live/rate.ts";

test("a rate is the growth over the last three seconds", () => {
  const rate = new Rate();
  assert.equal(rate.perSecond(0, 100), 0);
  assert.equal(rate.perSecond(500, 600), 1_000);
  assert.equal(rate.perSecond(2_000, 600), 250);
  assert.equal(rate.perSecond(3_500, 600), 0);
  assert.equal(rate.perSecond(10_000, 9_999), 0);
});

test("a number that falls has no rate below zero", () => {
  const rate = new Rate();
  rate.perSecond(0, 100);
  assert.equal(rate.perSecond(1_000, 0), 0);
});
