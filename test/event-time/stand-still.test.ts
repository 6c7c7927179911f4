import { ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { Explanation, Finding } from "tidemark";
import { StandStill } from "./stand-still.ts";

/** The first seeds, from 0 on. */
const RUNS = 6;

/** An answer whose findings are others. */
function changed(explanation: Explanation, change: (finding: Finding) => Finding[]): Explanation {
  const tasks = explanation.tasks.map((task) => ({ ...task, findings: task.findings.flatMap(change) }));
  return { ...explanation, tasks };
}

test(`whenever event time stands in ${RUNS} runs, explain names what holds it, and without that it goes on`, async () => {
  const causes = new Map<string, number>();
  let asked = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const report = await new StandStill(seed).toEnd();
    asked += report.asked;
    for (const [cause, count] of report.causes) causes.set(cause, (causes.get(cause) ?? 0) + count);
  }
  ok(asked >= 3 * RUNS, `it stood only ${asked} times`);
  for (const cause of ["silent", "empty", "old", "future", "idle"]) {
    ok((causes.get(cause) ?? 0) > 0, `never: ${cause}; there were ${[...causes.keys()].join(", ")}`);
  }
});

test("answers that are wrong are found: another partition, nobody at all, nothing to be done", async () => {
  const wrong: Record<string, (finding: Finding) => Finding[]> = {
    another: (one) => [one.topic === undefined ? one : { ...one, partition: (one.partition! + 1) % 3 }],
    nobody: () => [],
    nothing: (one) => [{ ...one, cause: "moving" }],
  };
  for (const change of Object.values(wrong)) {
    await rejects(new StandStill(1, (explanation) => changed(explanation, change)).toEnd(), /^Error: Seed 1: /);
  }
});
