/** What the test of traces runs as a process of its own: views by user, counted by URL and minute. */
import { actor, app, topic, tumbling } from "tidemark";
import { number, object, string } from "valibot";
import process from "node:process";
import { counter } from "../../actors/machines.ts";

const name = process.env["TRACES_APP"]!;

const views = topic(`${name}-views`, {
  schema: object({ url: string(), userId: string(), viewTime: number() }),
  time: (view) => view.viewTime,
});
const counts = topic(`${name}-counts`, { schema: object({ url: string(), count: number() }) });

const perMinute = actor("per-minute", counter).window(tumbling({ minutes: 1 }))
  .on(views.by((view) => view.url), () => ({ type: "view" }))
  .to("counted", counts, ({ count }, { key }) => ({ url: key, count }));

export default app(name, [perMinute]);
