import type { ActorDefinition } from "../../core/actor.ts";
import type { AppDefinition } from "../../core/app.ts";
import { type Group, internal, type Topology } from "../../core/topology.ts";
import { wordsOf } from "./words.ts";

/** An app's topology as lines of a Mermaid flowchart: topics, groups of tasks with their actors, and what flows. */
export function flowchart(app: AppDefinition, { groups, sinks, repartitions }: Topology): string[] {
  const ids = new Map<string, string>();
  const id = (name: string) => {
    if (!ids.has(name)) ids.set(name, `n${ids.size}`);
    return ids.get(name)!;
  };
  const topicId = (name: string) => id(`topic ${name}`);
  const actorId = ({ name }: ActorDefinition) => id(`actor ${name}`);
  const topics = [...app.topics.keys()].map((name) => `  ${topicId(name)}[(${quoted(name)})]`);
  const internals = [...repartitions.keys()].map((name) => `  ${topicId(name)}[/${quoted(name)}/]`);
  const boxes = groups.filter(({ actors }) => actors.length > 0).flatMap((group, index) => [
    `  subgraph g${index}[${quoted(titleOf(group))}]`,
    ...group.actors.map((actor) => `    ${actorId(actor)}[${quoted(labelOf(actor))}]`),
    "  end",
  ]);
  const reads = groups.flatMap(({ inputs }) =>
    inputs.flatMap(({ topic, deliveries }) =>
      deliveries.map((one) => {
        if (one.kind === "pass") return `  ${topicId(topic)} --> ${topicId(one.forward.to.name)}`;
        const { kind, actor } = one;
        const target = kind === "fold" ? actorId(actor) : topicId(internal.repartition(app.name, actor.name));
        return `  ${topicId(topic)} --> ${target}`;
      })
    )
  );
  const chains = groups.flatMap(({ listeners }) =>
    [...listeners].flatMap(([name, byEvent]) =>
      [...byEvent].flatMap(([event, deliveries]) =>
        deliveries.map(({ actor }) =>
          `  ${id(`actor ${name}`)} -->|${quoted(event)}| ${topicId(internal.repartition(app.name, actor.name))}`
        )
      )
    )
  );
  const writes = app.actors.flatMap((actor) => [
    ...actor.routes.map(({ emitted = "output", topic }) =>
      `  ${actorId(actor)} -->|${quoted(emitted)}| ${topicId(topic.name)}`
    ),
    ...(actor.late ? [`  ${actorId(actor)} -.->|"late records"| ${topicId(actor.late.name)}`] : []),
  ]);
  const exits = sinks.flatMap(({ sink: { name, from }, topic }) => [
    `  ${id(`sink ${name}`)}>${quoted(name)}]`,
    ...(from.kind === "topic"
      ? []
      : [`  ${id(`actor ${from.actor}`)} -->|${quoted(from.event)}| ${topicId(topic.name)}`]),
    `  ${topicId(topic.name)} --> ${id(`sink ${name}`)}`,
  ]);
  return ["flowchart LR", ...topics, ...internals, ...boxes, ...new Set(reads), ...chains, ...writes, ...exits];
}

function titleOf({ name, partitions }: Group): string {
  return `${name}: ${partitions} ${partitions === 1 ? "task" : "tasks"}`;
}

function labelOf({ name, window }: ActorDefinition): string {
  return window ? `${name}<br>${window.kind} ${wordsOf(window.sizeMs)}` : name;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', "#quot;").replaceAll("\n", " ")}"`;
}
