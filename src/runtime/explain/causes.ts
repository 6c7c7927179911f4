import { emitterName, type Topology } from "../../core/topology.ts";
import { watermarkFromJson } from "../../core/watermark.ts";
import { taskName } from "../task.ts";
import { CAUSES, type Finding } from "./cause.ts";
import type { ChannelFacts, InputFacts, TaskFacts } from "./facts.ts";
import { type SinkFacts, whySink } from "./sinks.ts";
import { unwellOf } from "./unwell.ts";
import { aheadOf, blockedBy, keepingUp, whyStanding } from "./partition.ts";

/** How long a task may take to tell others how far it is, in ms. */
const TELL_MS = 5_000;

/** Findings about one task at most. */
const FINDINGS_MAX = 20;

/** What an instance answers for the tasks that it has. */
export interface Report {
  /** Its address; undefined for the one that was asked. */
  readonly instance: string | undefined;
  /** Its clock, in ms since 1970. */
  readonly now: number;
  readonly tasks: readonly TaskFacts[];
  readonly sinks: readonly SinkFacts[];
}

/** Where what the instances of an app report comes from, and what they do not. */
interface Whereabouts {
  readonly topology: Topology;
  readonly reports: readonly Report[];
  /** Why instances did not answer, by their addresses. */
  readonly unanswered: ReadonlyMap<string, string>;
  /** The address of the instance that has a task, as the group says; undefined for nobody, or nobody that can be asked. */
  readonly addressOf: (task: string) => string | undefined;
}

/** A task, and who has it. */
interface Known<F = TaskFacts> {
  readonly facts: F;
  readonly report: Report;
}

/** Finds out what holds event time, from task to task up to the partitions that records come from. */
export class Causes {
  readonly #where: Whereabouts;
  readonly #known = new Map<string, Known>();
  readonly #sinks = new Map<string, Known<SinkFacts>>();
  /** The task that reads each source topic, but for its partition. */
  readonly #readers = new Map<string, Topology["groups"][number]>();
  readonly #found = new Map<string, readonly Finding[]>();

  constructor(where: Whereabouts) {
    this.#where = where;
    for (const report of where.reports) {
      for (const facts of report.tasks) know(this.#known, { facts, report });
      for (const facts of report.sinks) know(this.#sinks, { facts, report });
    }
    for (const group of where.topology.groups) {
      for (const { topic, definition } of group.inputs) if (definition) this.#readers.set(topic, group);
    }
    for (const [actor, group] of where.topology.home) this.#readers.set(emitterName(actor), group);
  }

  /** What is known of a task. */
  of(task: string): Known | undefined {
    return this.#known.get(task);
  }

  /** What is known of a sink's task, and how it gets on. */
  ofSink(task: string): { readonly known: Known<SinkFacts> | undefined; readonly finding: Finding } {
    const known = this.#sinks.get(task);
    const instance = known?.report.instance;
    if (!known) return { known, finding: this.#absent(task) };
    return { known, finding: { ...whySink(known.facts), ...(instance !== undefined && { instance }) } };
  }

  /** Why the watermark of a task stands where it stands; what weighs most first. There is always something. */
  why(task: string): readonly Finding[] {
    const found = this.#found.get(task);
    if (found) return found;
    this.#found.set(task, []); // nothing can hold itself
    const findings = this.#find(task);
    this.#found.set(task, findings);
    return findings;
  }

  /** What else is to be said of a task: of channels that hold nothing now. */
  notes(task: string): Finding[] {
    const known = this.#known.get(task);
    if (!known || known.facts.state !== "running") return [];
    const { facts } = known;
    return facts.inputs.flatMap((input) =>
      input.channels.flatMap((channel) => {
        if (channel.isHolding) return [];
        const note = this.#aheadOf(known, input, channel) ??
          (input.isPaused ? blockedBy(facts, input, channel) : undefined);
        return note ? [this.#placed(note)] : [];
      })
    ).slice(0, FINDINGS_MAX);
  }

  /** What is to be said of a channel that is ahead of the clock, by the task that reads its partition if it is known. */
  #aheadOf({ facts, report }: Known, input: InputFacts, channel: ChannelFacts): Finding | undefined {
    const source = input.isInternal ? this.#known.get(this.#upstream(channel)) : undefined;
    const own = source?.facts.inputs.find(({ topic }) => topic === channel.topic)?.channels[0];
    return source && own ? aheadOf(source.facts, own, source.report.now) : aheadOf(facts, channel, report.now);
  }

  /** The task that speaks through a channel. */
  #upstream({ topic, partition }: ChannelFacts): string {
    return taskName(this.#readers.get(topic)!, partition);
  }

  #find(task: string): Finding[] {
    const known = this.#known.get(task);
    if (!known) return [this.#absent(task)];
    const { facts } = known;
    const unwell = unwellOf(facts);
    if (unwell) return [this.#placed(unwell)];
    const { watermark } = facts;
    const findings = overdueIn(facts);
    for (const input of facts.inputs) {
      for (const channel of input.channels) {
        if (channel.isHolding) findings.push(...this.#holding(known, input, channel));
      }
    }
    if (findings.length === 0) findings.push({ cause: watermark === "end" ? "ended" : "idle", task, watermark });
    const named = new Map(findings.map((one) => [`${one.cause} ${one.task} ${one.topic}/${one.partition}`, one]));
    return [...named.values()].sort((a, b) => weight(a) - weight(b)).slice(0, FINDINGS_MAX).map((one) =>
      this.#placed(one)
    );
  }

  /** Why a channel that holds a task does not go on. */
  #holding({ facts, report }: Known, input: InputFacts, channel: ChannelFacts): readonly Finding[] {
    if (!input.isInternal) return [whyStanding(facts, input, channel, report.now)];
    const blocked = blockedBy(facts, input, channel);
    if (blocked) return [blocked];
    return this.#passedOn(facts, input, channel, this.#upstream(channel)).map((one) => {
      return one.task === facts.task ? one : { ...one, via: [facts.task, ...one.via ?? []] };
    });
  }

  /** Why nothing later comes from a task upstream. */
  #passedOn(
    task: TaskFacts,
    input: InputFacts,
    channel: ChannelFacts,
    upstream: string,
  ): readonly Finding[] {
    const known = this.#known.get(upstream);
    const unwell = known ? unwellOf(known.facts) : this.#absent(upstream);
    if (unwell) return [this.#placed(unwell)];
    const { facts, report } = known!;
    const isActor = channel.topic.startsWith("@");
    const source = isActor ? undefined : facts.inputs.find(({ topic }) => topic === channel.topic)!;
    const spoken = source ? source.channels[0]! : facts.outputs.find(({ topic }) => topic === channel.topic)!;
    const isNews = watermarkFromJson(spoken.watermark) > watermarkFromJson(channel.watermark) || spoken.isIdle;
    if (isNews) {
      if (input.lag > 0) return [keepingUp(task, input, channel)];
      const sinceMs = Math.min(channel.standsMs, task.standsMs, source ? newsMs(source) : facts.standsMs);
      // What an actor's output waits for is not told when it fell idle.
      const isStuck = sinceMs > TELL_MS && (source !== undefined || !spoken.isIdle);
      const { topic, partition } = input;
      return [{
        cause: isStuck ? "stalled" : "moving",
        task: upstream,
        topic,
        partition,
        watermark: channel.watermark,
      }];
    }
    if (source) return [whyStanding(facts, source, source.channels[0]!, report.now)];
    const overdue = overdueIn(facts);
    return overdue.length > 0 ? overdue : this.why(upstream);
  }

  /** A task that nobody speaks of. */
  #absent(task: string): Finding {
    const instance = this.#where.addressOf(task);
    const reason = instance === undefined ? undefined : this.#where.unanswered.get(instance);
    return {
      cause: "dead",
      task,
      ...(instance !== undefined && { instance }),
      ...(reason !== undefined && { reason }),
    };
  }

  #placed(finding: Finding): Finding {
    const instance = finding.instance ?? this.#known.get(finding.task)?.report.instance;
    return instance === undefined ? finding : { ...finding, instance };
  }
}

/** For how long a source partition has been where it is: idle, or at its watermark. */
function newsMs({ silentMs, idleAfterMs = 0, channels: [channel] }: InputFacts): number {
  return channel!.isIdle ? Math.max(0, silentMs - idleAfterMs) : channel!.standsMs;
}

/** What a task has not done yet though it is due. */
function overdueIn({ task, watermark, overdue, overdueMs = 0 }: TaskFacts): Finding[] {
  return overdue === undefined ? [] : [{ cause: "overdue", task, watermark, due: overdue, overdueMs }];
}

/** While a task is on its way two may have it. */
function know<F extends Pick<TaskFacts, "task" | "state">>(all: Map<string, Known<F>>, one: Known<F>): void {
  const other = all.get(one.facts.task);
  if (!other || rank(one.facts) < rank(other.facts)) all.set(one.facts.task, one);
}

function rank({ state }: Pick<TaskFacts, "state">): number {
  return state === "running" || state === "finished" ? 0 : state === "closed" ? 2 : 1;
}

function weight({ cause }: Finding): number {
  return CAUSES.indexOf(cause);
}
