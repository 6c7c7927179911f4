import assert from "node:assert/strict";
import { test } from "node:test";
import { outline } from "../../../src/cli/drawing/outline.ts";
import { topology } from "../../../src/core/topology.ts";
import counts from "../apps/counts.ts";
import sinks from "../apps/sinks.ts";
import stages from "../apps/stages.ts";

function draw({ "~app": app }: typeof counts, partitions: number): string[] {
  return outline(app, topology(app, new Map([...app.topics.keys()].map((name) => [name, partitions]))));
}

test("with one partition an app is one group with one task", () => {
  assert.deepEqual(draw(counts, 1), [
    "app counts: 2 actors, 1 task",
    "",
    "group happenings: 1 task, state kept in counts.happenings.changelog",
    "  reads happenings, out of order up to 10 s",
    "    -> totals",
    "    -> minutes",
    "  actor totals",
    "  actor minutes, tumbling windows of 1 min, open 0 s longer",
    "    counted -> counts",
    "",
    "dead letters go to counts.dead-letters",
  ]);
});

test("internal topics, late records and where everything goes are told", () => {
  assert.deepEqual(draw(stages, 3), [
    "app stages: 1 actor, 6 tasks",
    "",
    "group orders: 3 tasks, state kept in stages.orders.changelog",
    "  reads orders, in order",
    "    -> per-day",
    "  reads stages.per-day.repartition, an internal topic",
    "    -> per-day",
    "  actor per-day, tumbling windows of 1 day, open 2 h longer",
    '    say "sum" -> sums',
    "    late records -> too-late",
    "",
    "group returns: 3 tasks, state kept in stages.returns.changelog",
    "  reads returns, out of order up to 1500 ms",
    "    -> stages.per-day.repartition",
    "",
    "dead letters go to stages.dead-letters",
  ]);
});

test("what goes out of the app is told: where sinks read, and how they write", () => {
  assert.deepEqual(draw(sinks, 2), [
    "app sinks: 1 actor, 2 sinks, 8 tasks",
    "",
    "group orders: 2 tasks, state kept in sinks.orders.changelog",
    "  reads orders, in order",
    "    -> sinks.greeter.repartition",
    "",
    "group greeter.repartition: 2 tasks, state kept in sinks.greeter.repartition.changelog",
    "  reads sinks.greeter.repartition, an internal topic",
    "    -> greeter",
    "  actor greeter",
    "    greeted -> sinks.to-mail.emitted",
    "",
    "sink to-books: 2 tasks, positions kept in sinks.to-books.sink.changelog",
    "  reads orders",
    "  writes up to 1 record at a time, within 1 min",
    "",
    "sink to-mail: 2 tasks, positions kept in sinks.to-mail.sink.changelog",
    "  reads greeted of actor greeter, through sinks.to-mail.emitted",
    "  writes up to 100 records at a time, within 1 s",
    "",
    "dead letters go to sinks.dead-letters",
  ]);
});
