import assert from "node:assert/strict";
import { test } from "node:test";
import { isReserved } from "../../src/core/fold.ts";

test("event types that begin with `xstate.`, and the empty one, belong to XState", () => {
  for (const type of ["", "xstate.stop", "xstate.after.1000.a", "xstate."]) assert.equal(isReserved(type), true, type);
  for (const type of ["xstate", "view", "my.xstate.stop", "XState.stop", "*"]) {
    assert.equal(isReserved(type), false, type);
  }
});
