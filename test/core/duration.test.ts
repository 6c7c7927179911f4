import assert from "node:assert/strict";
import { test } from "node:test";
import { type Duration, toMs } from "../../src/core/duration.ts";
import { TidemarkError } from "../../src/core/errors.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

test("a duration is the sum of its parts, in whole ms", () => {
  const cases: readonly (readonly [Duration, number])[] = [
    [{}, 0],
    [{ milliseconds: 1 }, 1],
    [{ seconds: 1 }, 1_000],
    [{ minutes: 1 }, 60_000],
    [{ hours: 1 }, 3_600_000],
    [{ days: 1 }, DAY_MS],
    [{ days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 5 }, DAY_MS + 7_384_005],
    [{ minutes: 1.5 }, 90_000],
    [{ seconds: 0.1 }, 100],
    [{ seconds: 0.0004 }, 0],
    [{ milliseconds: 0.5 }, 1],
    [{ minutes: 1, seconds: -30 }, 30_000],
  ];
  for (const [duration, ms] of cases) assert.equal(toMs(duration, "it"), ms, JSON.stringify(duration));
});

test("a duration outside of its bounds, or of unknown parts, is refused by name and value", () => {
  const refused: readonly (readonly [unknown, number])[] = [
    [{ milliseconds: -1 }, 0],
    [{}, 1],
    [{ milliseconds: 0.4 }, 1],
    [{ days: 36_601 }, 0],
    [{ seconds: NaN }, 0],
    [{ seconds: Infinity }, 0],
    [{ weeks: 1 }, 0],
    [{ toString: 1 }, 0],
    [{ seconds: "1" }, 0],
    [{ seconds: null }, 0],
  ];
  for (const [duration, least] of refused) {
    assert.throws(() => toMs(duration as Duration, "its size", least), (error) => {
      assert.ok(error instanceof TidemarkError && error.code === "TIDEMARK_OPTION_INVALID", `${error}`);
      assert.ok(error.message.startsWith(`Cannot use ${JSON.stringify(duration)} as its size: `), error.message);
      return true;
    });
  }
  assert.equal(toMs({ days: 36_600 }, "it"), 36_600 * DAY_MS);
});
