import { type Group, receiver } from "../core/topology.ts";
import type { Task } from "../runtime/task.ts";
import { actorJson } from "./actors.ts";
import { answer, json } from "./answer.ts";
import { problem } from "./problem.ts";
import type { Call } from "./route.ts";

/** Whether the process answers at all. */
export function livez(): Response {
  return json({ status: "alive" });
}

/** Whether every task answers queries and does its work, and what is missing; with the state of each, and how far it is. */
export function readyz({ runtime, hindrance, isTrusted }: Call): Response {
  const beside = hindrance();
  const missing = beside === undefined ? runtime.missing : [beside];
  if (!isTrusted) return bareReadiness(missing.length === 0);
  const tasks = [...runtime.tasks, ...runtime.sinks].map(standing);
  if (missing.length === 0) return json({ status: "ready", tasks });
  const detail = `Not ready: ${missing.join(", ")}`;
  return problem(503, { detail, code: "TIDEMARK_NOT_READY", members: { tasks } });
}

/** For those who may not know the names of tasks. */
function bareReadiness(isReady: boolean): Response {
  if (isReady) return json({ status: "ready" });
  return problem(503, { detail: "Not ready: not every task does its work", code: "TIDEMARK_NOT_READY" });
}

function standing({ name, state, progress }: Pick<Task, "name" | "state" | "progress">) {
  const restore = state === "restoring" ? progress?.figures() : undefined;
  return { task: name, state, ...(restore && { restore }) };
}

/** What the service counts, in Prometheus' text format. */
export async function metricsText({ metrics }: Call): Promise<Response> {
  if (!metrics) {
    return problem(404, { detail: "Cannot tell metrics: this service has none", code: "TIDEMARK_ROUTE_UNKNOWN" });
  }
  return answer(await metrics(), "text/plain; version=0.0.4; charset=utf-8");
}

/** How the app is cut: its groups of topics, what reads what, and the internal topics in between. */
export function topologyJson({ runtime }: Call): Response {
  const { groups, sinks, repartitions } = runtime.topology;
  return json({
    groups: groups.map(groupJson),
    actors: runtime.actors.map((actor) => ({
      ...actorJson(actor),
      group: runtime.topology.home.get(actor.name)?.name,
    })),
    sinks: sinks.map(({ sink, topic, name, partitions, changelog }) => ({
      name: sink.name,
      topic: topic.name,
      group: name,
      partitions,
      changelog,
    })),
    repartitions: [...repartitions].map(([topic, partitions]) => ({ topic, partitions })),
  });
}

function groupJson({ name, changelog, partitions, inputs, actors }: Group): object {
  return {
    name,
    partitions,
    changelog,
    actors: actors.map((actor) => actor.name),
    inputs: inputs.map(({ topic, definition, deliveries }) => ({
      topic,
      internal: definition === undefined,
      deliveries: deliveries.map((one) => ({ kind: one.kind, actor: receiver(one) })),
    })),
  };
}
