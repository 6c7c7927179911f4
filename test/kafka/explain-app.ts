/** Windows of a minute over a topic that is read by other tasks than those that have the windows. */
import process from "node:process";
import { actor, app, topic, tumbling } from "../../src/mod.ts";
import { any } from "valibot";
import { collector } from "../event-time/machines.ts";

/** What its topic, and all of it, is called: other runs of the test must not meet it. */
export const NAME = process.env["EXPLAIN_APP"] ?? "explained";

const views = topic(`${NAME}-views`, { schema: any(), time: ({ time }) => time, watermark: { maxOutOfOrderness: {} } });

export default app(NAME, [
  actor("minutes", collector).window(tumbling({ minutes: 1 })).within("updated").within("closed")
    .on(views.by(({ key }) => key as string), ({ time }) => ({ type: "record", id: `${time}` })),
]);
