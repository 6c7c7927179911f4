import type { Cause, Finding } from "./cause.ts";
import type { Explanation, TaskExplanation } from "./explanation.ts";
import type { SinkExplanation } from "./sinks.ts";
import { sentenceOf, wayOf } from "./sentence.ts";
import { keyOf, lengthOf, standOf, waitOf } from "./words.ts";

/** What waits of one key stands in so many sentences at most. */
const WAITS_MAX = 20;

/** Of so many tasks it is said how far they are. */
const TASKS_MAX = 100;

/** So many of the tasks that a cause holds are named. */
const HELD_MAX = 10;

/** With these nothing is to be done. */
const WELL: ReadonlySet<Cause> = new Set(["moving", "ended"]);

/** An explanation in words: first what was asked, then what holds it. */
export function sentencesOf(
  { app, actor, key, pending, pendingOmitted = 0, tasks, sinks, unanswered }: Omit<Explanation, "sentences">,
): string[] {
  const silent = unanswered.map(({ instance, reason }) => `The instance at ${instance} does not answer: ${reason}.`);
  if (key !== undefined) {
    const task = tasks[0]!;
    const whose = `key ${keyOf(key)} of actor ${actor}`;
    return [...waits(whose, task, pending, pendingOmitted), ...standing(task), ...silent];
  }
  const outside = sinks.length === 0 ? [] : sinkLines(sinks);
  if (tasks.length === 0) return [...outside, ...silent];
  const well = tasks.filter(({ cause }) => WELL.has(cause));
  const ill = tasks.length - well.length;
  const name = actor === undefined ? `App ${app}` : `Actor ${actor} of app ${app}`;
  const goes = ill === 0 ? "event time goes on in all of them" : `event time stands in ${ill} of them`;
  return [
    `${name}: ${tasks.length === 1 ? "1 task" : `${tasks.length} tasks`}; ${goes}.`,
    ...holding(tasks),
    ...farOf(tasks),
    ...outside,
    ...silent,
  ];
}

/** How far each task is. */
function farOf(tasks: readonly TaskExplanation[]): string[] {
  const lines = tasks.slice(0, TASKS_MAX).map(({ task, instance, watermark, inputs = [] }) => {
    const where = instance === undefined ? task : `${task} at ${instance}`;
    const parts = inputs.map(({ topic, partition, lag, channelCount, idleCount }) => {
      const left = lag === 0 ? "all is read" : `${lag} offsets are left`;
      return `of ${topic}/${partition} ${left}${idleCount === channelCount ? " and it is idle" : ""}`;
    });
    return `Task ${where} ${[`stands at ${standOf(watermark)}`, ...parts].join("; ")}.`;
  });
  return tasks.length > TASKS_MAX ? [...lines, `There are ${tasks.length - TASKS_MAX} more tasks.`] : lines;
}

/** How sinks get on. */
function sinkLines(sinks: readonly SinkExplanation[]): string[] {
  const ill = sinks.filter(({ cause }) => !WELL.has(cause) && cause !== "idle");
  const count = sinks.length === 1 ? "1 task" : `${sinks.length} tasks`;
  const lines = sinks.slice(0, TASKS_MAX).map(({ task, instance, topic, partition, position, lag }) => {
    const where = instance === undefined ? task : `${task} at ${instance}`;
    if (position === undefined) return `Nobody answers for task ${task}.`;
    const left = lag === 0 ? "all is written" : `${lag} offsets are left`;
    return `Task ${where} stands at offset ${position} of ${topic}/${partition}; ${left}.`;
  });
  return [
    `Sinks: ${count}; ${
      ill.length === 0 ? "all of them go on" : `${ill.length} of them ${ill.length === 1 ? "does" : "do"} not go on`
    }.`,
    ...ill.slice(0, TASKS_MAX).map(({ finding }) => sentenceOf(finding)),
    ...lines,
    ...(sinks.length > TASKS_MAX ? [`There are ${sinks.length - TASKS_MAX} more tasks of sinks.`] : []),
  ];
}

/** Each cause once, with the tasks that it holds. */
function holding(tasks: readonly TaskExplanation[]): string[] {
  const causes = new Map<string, { readonly finding: Finding; readonly held: TaskExplanation[] }>();
  const causeOf = (finding: Finding) => {
    const { cause, task, topic, partition } = finding;
    const name = `${cause} ${task} ${topic}/${partition}`;
    const known = causes.get(name) ?? { finding, held: [] };
    causes.set(name, known);
    return known;
  };
  for (const task of tasks) {
    for (const finding of task.findings) if (!WELL.has(finding.cause)) causeOf(finding).held.push(task);
  }
  for (const { notes } of tasks) for (const note of notes) causeOf(note);
  return [...causes.values()].flatMap(({ finding, held }) => {
    const names = held.slice(0, HELD_MAX).map(({ task, watermark }) => `${task} at ${standOf(watermark)}`);
    if (held.length > HELD_MAX) names.push(`${held.length - HELD_MAX} more`);
    return [sentenceOf(finding), ...(names.length > 0 ? [`- It holds ${names.join(", ")}.`] : [])];
  });
}

function waits(
  whose: string,
  { task }: TaskExplanation,
  pending: Explanation["pending"],
  omitted: number,
): string[] {
  if (!pending) return [`What waits of ${whose} cannot be read now: it is with task ${task}.`];
  if (pending.length === 0) return [`Nothing of ${whose} waits for event time, which is that of task ${task}.`];
  const more = pending.length - WAITS_MAX + omitted;
  return [
    `What waits of ${whose}, and the event time to which task ${task} has to come for it:`,
    ...pending.slice(0, WAITS_MAX).map((one) => `- ${waitOf(one)}`),
    ...(more > 0 ? [`- and ${more} more.`] : []),
  ];
}

/** Where a task stands, and why. */
function standing({ task, instance, watermark, standsMs = 0, cause, findings, notes }: TaskExplanation): string[] {
  const where = instance === undefined ? "" : ` at ${instance}`;
  const long = standsMs >= 1_000 ? ` for ${lengthOf(standsMs)}` : "";
  const stands = watermark === undefined
    ? `Nobody answers for task ${task}.`
    : `Task ${task}${where} stands at ${standOf(watermark)}${WELL.has(cause) ? "" : long}.`;
  return [stands, ...[...findings, ...notes].map((one) => `- ${sentenceOf(one)}${wayOf(one, task)}`)];
}
