import assert from "node:assert/strict";
import { test } from "node:test";
import { flowchart } from "../../../src/cli/drawing/flowchart.ts";
import { topology } from "../../../src/core/topology.ts";
import sinks from "../apps/sinks.ts";
import stages from "../apps/stages.ts";

test("a flowchart has topics, tasks, actors, windows and internal topics, and what flows between them", () => {
  const app = stages["~app"];
  const sizes = new Map([...app.topics.keys()].map((name) => [name, 3]));
  assert.deepEqual(flowchart(app, topology(app, sizes)), [
    "flowchart LR",
    '  n0[("orders")]',
    '  n1[("returns")]',
    '  n2[("sums")]',
    '  n3[("too-late")]',
    '  n4[/"stages.per-day.repartition"/]',
    '  subgraph g0["orders: 3 tasks"]',
    '    n5["per-day<br>tumbling 1 day"]',
    "  end",
    "  n0 --> n5",
    "  n4 --> n5",
    "  n1 --> n4",
    '  n5 -->|"say #quot;sum#quot;"| n2',
    '  n5 -.->|"late records"| n3',
  ]);
});

test("a flowchart has sinks, and what leads to them", () => {
  const app = sinks["~app"];
  assert.deepEqual(flowchart(app, topology(app, new Map([["orders", 1]]))), [
    "flowchart LR",
    '  n0[("orders")]',
    '  n1[/"sinks.to-mail.emitted"/]',
    '  subgraph g0["orders: 1 task"]',
    '    n2["greeter"]',
    "  end",
    "  n0 --> n2",
    '  n3>"to-books"]',
    "  n0 --> n3",
    '  n4>"to-mail"]',
    '  n2 -->|"greeted"| n1',
    "  n1 --> n4",
  ]);
});
