/** An actor per page that tells every message of the join of views with clicks as it comes. */
import { actor, join, type Sink, type Topic } from "tidemark";
import { emit, setup } from "xstate";
import type { Click, View } from "./traffic.ts";

const teller = setup({
  types: {
    events: {} as { type: "message"; view: View; clickTime: number | "none" },
    emitted: {} as { type: "told"; view: View; clickTime: number | "none" },
  },
}).createMachine({
  on: { message: { actions: emit(({ event: { view, clickTime } }) => ({ type: "told", view, clickTime })) } },
});

/** The messages as the oracle writes them: `url user viewTime clickTime time`. */
export function clickMessages(views: Topic<View>, clicks: Topic<Click>, told: Sink<string>) {
  const pairs = join(views.by(({ url }) => url), clicks.by(({ url }) => url), {
    type: "left",
    after: { seconds: 5 },
    where: (view, click) => view.userId === click.userId,
  });
  return actor("messages", teller)
    .on(pairs, ({ left, right }) => ({ type: "message", view: left, clickTime: right?.clickTime ?? "none" }))
    .to(
      "told",
      told,
      ({ view, clickTime }, { time }) => [view.url, view.userId, view.viewTime, clickTime, time].join(" "),
    );
}
