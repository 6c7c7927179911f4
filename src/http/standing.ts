import type { Standing } from "../runtime/query.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Where a task stood, and how many records of its inputs, as last heard, it did not know then. */
export function standingJson(runtime: Runtime, actor: string, standing: Standing | undefined): object {
  return standing ? { standing: { ...standing, lag: lagOf(runtime, actor, standing) } } : {};
}

/** How many records of a task's inputs, as last heard, its answer does not know yet. */
export function lagOf(runtime: Runtime, actor: string, { partition, positions }: Standing): number {
  const group = runtime.topology.home.get(actor)?.name;
  const task = runtime.tasks.find((one) => one.group.name === group && one.partition === partition);
  let lag = 0;
  for (const input of task?.router.inputs ?? []) {
    lag += Math.max(0, input.end - (positions[`${input.topic}/${partition}`] ?? 0));
  }
  return lag;
}
