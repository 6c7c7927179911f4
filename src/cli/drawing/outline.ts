import type { ActorDefinition } from "../../core/actor.ts";
import type { AppDefinition } from "../../core/app.ts";
import type { TopicDefinition } from "../../core/source.ts";
import { type Group, type InputPlan, internal, receiver, type SinkGroup, type Topology } from "../../core/topology.ts";
import { wordsOf } from "./words.ts";

/** An app's topology as lines of text. */
export function outline(app: AppDefinition, { groups, sinks }: Topology): string[] {
  const tasks = [...groups, ...sinks].reduce((sum, { partitions }) => sum + partitions, 0);
  const exits = sinks.length === 0 ? "" : `${count(sinks.length, "sink")}, `;
  const header = `app ${app.name}: ${count(app.actors.length, "actor")}, ${exits}${count(tasks, "task")}`;
  const dead = `dead letters go to ${internal.deadLetters(app.name)}`;
  const parts = [...groups.map((group) => groupLines(app, group)), ...sinks.map(sinkLines)];
  return [header, ...parts.flatMap((lines) => ["", ...lines]), "", dead];
}

function sinkLines({ sink, topic, changelog, partitions }: SinkGroup): string[] {
  const { from, name, maxRecords, withinMs } = sink;
  const reads = from.kind === "topic" ? topic.name : `${from.event} of actor ${from.actor}, through ${topic.name}`;
  return [
    `sink ${name}: ${count(partitions, "task")}, positions kept in ${changelog}`,
    `  reads ${reads}`,
    `  writes up to ${count(maxRecords, "record")} at a time, within ${wordsOf(withinMs)}`,
  ];
}

function groupLines(app: AppDefinition, group: Group): string[] {
  return [
    `group ${group.name}: ${count(group.partitions, "task")}, state kept in ${group.changelog}`,
    ...group.inputs.flatMap((input) => inputLines(app, input)),
    ...group.actors.flatMap((actor) => [...actorLines(actor), ...listenerLines(app, group, actor)]),
  ];
}

function inputLines(app: AppDefinition, { topic, definition, deliveries }: InputPlan): string[] {
  const targets = deliveries.map((one) =>
    one.kind === "forward" ? internal.repartition(app.name, one.actor.name) : receiver(one)
  );
  return [
    `  reads ${topic}${definition ? timing(definition) : ", an internal topic"}`,
    ...[...new Set(targets)].map((target) => `    -> ${target}`),
  ];
}

function timing({ maxOutOfOrdernessMs, idleAfterMs }: TopicDefinition): string {
  const order = maxOutOfOrdernessMs === 0 ? "in order" : `out of order up to ${wordsOf(maxOutOfOrdernessMs)}`;
  return `, ${order}${idleAfterMs === undefined ? "" : `, idle after ${wordsOf(idleAfterMs)}`}`;
}

function actorLines({ name, window, routes, late }: ActorDefinition): string[] {
  const span = window &&
    `, ${window.kind} windows of ${wordsOf(window.sizeMs)}${
      window.kind === "hopping" ? ` every ${wordsOf(window.everyMs)}` : ""
    }, open ${wordsOf(window.allowedLatenessMs)} longer`;
  return [
    `  actor ${name}${span ?? ""}`,
    ...routes.map(({ emitted = "output", topic }) => `    ${emitted} -> ${topic.name}`),
    ...(late ? [`    late records -> ${late.name}`] : []),
  ];
}

function listenerLines(app: AppDefinition, { listeners }: Group, { name }: ActorDefinition): string[] {
  return [...listeners.get(name) ?? []].flatMap(([event, deliveries]) =>
    deliveries.map(({ actor }) => `    ${event} -> ${internal.repartition(app.name, actor.name)}`)
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
