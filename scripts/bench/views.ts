/** What the benches count: the real access log's views, as often as wanted, and the logics that count them. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { assign, fromTransition, setup } from "xstate";
import { input } from "../../actors/traffic-monitor.ts";

const DAYS_MS = 4 * 86_400_000;

export interface View {
  readonly url: string;
  readonly userId: string;
  readonly viewTime: number;
}

/** The bare loops check nothing, so neither does this schema. */
export const anything: StandardSchemaV1<unknown, View> = {
  "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value: value as View }) },
};

/** When a view was, and how far views are out of order. */
export const timing = {
  time: (view: View) => view.viewTime,
  watermark: { maxOutOfOrderness: { seconds: 60 } },
} as const;

type Count = { type: "view" };
export const reducer = fromTransition(
  ({ views }: { views: number }, _event: Count) => ({ views: views + 1 }),
  { views: 0 },
);
export const machine = setup({ types: { context: {} as { views: number }, events: {} as Count } }).createMachine({
  context: { views: 0 },
  on: { view: { actions: assign({ views: ({ context }) => context.views + 1 }) } },
});

/** The view of any number: the log's own in their order, and again and again with moved event time. */
export function endlessViews(): (index: number) => View {
  const file = new URL("../../actors/data/apache-access.log.gz", import.meta.url);
  const once = gunzipSync(readFileSync(file)).toString().split("\n").flatMap((line) => {
    try {
      return [input(line)[0]!.value as View];
    } catch {
      return []; // the one line that does not parse
    }
  });
  return (index) => {
    const value = once[index % once.length]!;
    return { ...value, viewTime: value.viewTime + Math.floor(index / once.length) * DAYS_MS };
  };
}
