/** A run to the end reads the messages that it sends itself. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { actor, address, app, memoryLog, memoryStores, start, topic } from "tidemark";
import { number, object, string } from "valibot";
import { assign, sendTo, setup } from "xstate";

const steps = topic("steps", { schema: object({ k: string(), t: number() }), time: ({ t }) => t });
const others = topic("others", { schema: object({}) });

for (const partitions of [1, 2]) {
  test(`a run to the end delivers what it sends, with ${partitions} partitions`, async () => {
    const machine = setup({
      types: {
        context: {} as { sum: number; to: string },
        events: {} as { type: "ball"; left: number },
        input: {} as string,
      },
    }).createMachine({
      context: ({ input }) => ({ sum: 0, to: input === "ping" ? "pong" : "ping" }),
      on: {
        ball: [
          { guard: ({ event }) => event.left === 0, actions: assign({ sum: ({ context }) => context.sum + 1 }) },
          {
            actions: [
              assign({ sum: ({ context }) => context.sum + 1 }),
              sendTo(({ context }) => address(context.to, context.to), ({ event }) => ({
                type: "ball",
                left: event.left - 1,
              })),
            ],
          },
        ],
      },
    });
    const ping = actor("ping", machine, { inbox: true }).on(
      steps.by(() => "ping"),
      ({ t }) => ({ type: "ball", left: t }),
    );
    const pong = actor("pong", machine, { inbox: true }).on(others.by(() => "pong"), () => ({ type: "ball", left: 0 }));
    const log = memoryLog();
    await log.createTopics([{ name: "steps", partitions }]);
    await log.append("steps", 0, [{ key: null, value: `{"k":"","t":9}`, timestamp: 1 }]);
    const runtime = await start({
      app: app("bounded", [ping, pong]),
      log,
      stores: memoryStores(),
      createPartitions: partitions,
    });
    try {
      await runtime.finish();
      const sum = async (name: string) =>
        ((await runtime.get(name, name)).state?.context as { sum: number } | undefined)?.sum;
      deepEqual([await sum("ping"), await sum("pong")], [5, 5]);
    } finally {
      await runtime.stop();
    }
  });
}
