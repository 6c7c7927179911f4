import type { ActorDefinition } from "../core/actor.ts";
import type { Topology } from "../core/topology.ts";

/** A topic an app reads, and the actors that write it and are fed only by earlier stages. */
export interface Stage {
  readonly topic: string;
  readonly writers: readonly ActorDefinition[];
}

/** The topics an app reads, each after those it is made from. A circle is cut where it closes. */
export function stagesOf({ groups, home }: Topology, actors: readonly ActorDefinition[]): Stage[] {
  const stages = new Map<string, Stage>();
  const visited = new Set<string>();
  const inputsOf = (actor: ActorDefinition) => home.get(actor.name)!.inputs.map(({ topic }) => topic);
  const visit = (topic: string): void => {
    if (visited.has(topic)) return;
    visited.add(topic);
    const writers = actors.filter(({ routes }) => routes.some((route) => route.topic.name === topic));
    for (const writer of writers) inputsOf(writer).forEach(visit);
    const earlier = writers.filter((writer) => inputsOf(writer).every((input) => stages.has(input)));
    stages.set(topic, { topic, writers: earlier });
  };
  for (const { inputs } of groups) for (const { topic } of inputs) visit(topic);
  return [...stages.values()];
}
