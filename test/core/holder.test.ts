import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { holdersOf } from "../../src/core/holder.ts";
import { Input } from "../../src/core/input.ts";
import { minimum } from "../../src/core/watermark.ts";

const channel = fc.record({ watermark: fc.constantFrom(-Infinity, 1, 2, 3, Infinity), isIdle: fc.boolean() });

/** Inputs with channels that stand so; the lanes are named by their places. */
function inputsOf(stands: readonly (readonly { watermark: number; isIdle: boolean }[])[]): Input[] {
  return stands.map((channels, index) => {
    const plan = {
      topic: `i${index}`,
      definition: undefined,
      deliveries: [],
      inbox: undefined,
      channels: channels.map((_, partition) => ({ topic: `i${index}`, partition })),
    };
    const input = new Input(plan, 0);
    channels.forEach((channel, partition) => Object.assign(input.lanes[partition]!.done, channel));
    return input;
  });
}

const done = (inputs: readonly Input[]) => inputs.flatMap(({ lanes }) => lanes.map(({ done }) => done));

test("the watermark goes on when all holders have passed it or fall idle, and not before", () => {
  const inputs = fc.array(fc.array(channel, { maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(inputs, fc.constantFrom(-Infinity, 2, 3), fc.boolean(), (stands, past, byIdling) => {
      const inputs = inputsOf(stands);
      // It never goes back, but a channel that was idle may come back with less.
      const watermark = () => Math.max(past, minimum(done(inputs)));
      const before = watermark();
      const holders = holdersOf(inputs, before);
      const counting = done(inputs).filter(({ watermark, isIdle }) => !isIdle && watermark < Infinity);
      equal(holders.length > 0, counting.length > 0);
      // Whatever others do, it stays.
      for (const channel of counting) if (!holders.some(({ lane }) => lane.done === channel)) channel.advance(10);
      holders.forEach(({ lane }, index) => {
        equal(watermark(), before);
        if (byIdling && index > 0) lane.done.isIdle = true;
        else lane.done.advance(before === -Infinity ? 0 : before + 0.5);
      });
      equal(watermark() > before, holders.length > 0);
    }),
  );
});

test("a holder comes with the input it is read through", () => {
  const inputs = inputsOf([
    [{ watermark: 3, isIdle: false }],
    [{ watermark: 1, isIdle: true }, { watermark: 2, isIdle: false }],
  ]);
  const named = (watermark: number) => {
    return holdersOf(inputs, watermark).map(({ input, lane }) => [input.topic, lane.partition]);
  };
  deepEqual(named(2), [["i1", 1]]);
  deepEqual(named(3), [["i0", 0], ["i1", 1]]);
});
