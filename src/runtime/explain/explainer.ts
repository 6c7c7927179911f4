import { TidemarkError } from "../../core/errors.ts";
import { partitionFor } from "../../core/hash.ts";
import { keyFault } from "../../core/key.ts";
import type { Pending } from "../../core/pending.ts";
import type { Bounds, TopicPartition } from "../../log/log.ts";
import type { Layout } from "../layout.ts";
import type { Settings } from "../options.ts";
import type { OwnTasks } from "../own-tasks.ts";
import { ActorReader } from "../query.ts";
import type { SinkTask } from "../sink-task.ts";
import { type Task, taskName } from "../task.ts";
import { Causes, type Report } from "./causes.ts";
import type { Explanation, Question, TaskExplanation } from "./explanation.ts";
import { factsOf } from "./facts.ts";
import { type SinkExplanation, sinkFactsOf } from "./sinks.ts";
import { sentencesOf } from "./sentences.ts";

/** How long the log may take to tell where all partitions end, in ms. */
const LOG_MS = 2_000;

/** What waits of one key is listed to this number. */
const PENDING_MAX = 100;

/** What an instance answers for itself to a question that was put to another. */
export interface OwnReport extends Omit<Report, "instance"> {
  /** What waits of the key that was asked for; absent when this instance does not have it. */
  readonly pending?: readonly Pending[];
  readonly pendingOmitted?: number;
}

/** Asks other instances by their addresses: what each reports for itself, or the reason why it does not. */
export type AskOthers = (addresses: readonly string[]) => Promise<ReadonlyMap<string, OwnReport | string>>;

/** Where there is no way to ask others. */
export const askNobody: AskOthers = async (addresses) => new Map(addresses.map((one) => [one, "it was not asked"]));

interface ExplainerOptions {
  readonly settings: Settings;
  readonly layout: Layout;
  readonly tasks: readonly Task[];
  readonly sinks: readonly SinkTask[];
  readonly own: Pick<OwnTasks<Task | SinkTask>, "failureOf" | "others" | "addressOf">;
}

/** Answers "why is my window not closing?" for an app. */
export class Explainer {
  readonly #options: ExplainerOptions;

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /** What this instance knows of its own. @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_KEY_INVALID, TIDEMARK_REQUEST_INVALID */
  async report(question: Question): Promise<OwnReport> {
    const { own, settings, tasks: all, sinks: ownSinks } = this.#options;
    this.#names(question);
    const answered = new AbortController();
    const late = settings.clock.pause(LOG_MS, answered.signal).then(() => undefined);
    const boundsOf = (partition: TopicPartition) => Promise.race([this.#bounds(partition), late]);
    const [tasks, sinks] = await Promise.all([
      Promise.all(all.map((task) => factsOf(task, own.failureOf(task.name), boundsOf))),
      Promise.all(ownSinks.map((task) => sinkFactsOf(task, own.failureOf(task.name), boundsOf))),
    ]);
    answered.abort();
    const pending = await this.#pending(question);
    return {
      now: settings.clock.now(),
      tasks,
      sinks,
      ...(pending && { pending: pending.slice(0, PENDING_MAX) }),
      ...(pending && pending.length > PENDING_MAX && { pendingOmitted: pending.length - PENDING_MAX }),
    };
  }

  /** The whole answer. @throws as {@link report} does */
  async explain(question: Question, askOthers: AskOthers): Promise<Explanation> {
    const { own, settings, layout: { topology } } = this.#options;
    const names = this.#names(question);
    const [ownReport, answers] = await Promise.all([this.report(question), askOthers([...own.others])]);
    const reports: Report[] = [{ instance: undefined, ...ownReport }];
    const unanswered = new Map<string, string>();
    let pending = ownReport;
    for (const [instance, answer] of answers) {
      if (typeof answer === "string") {
        unanswered.set(instance, answer);
        continue;
      }
      reports.push({ instance, now: answer.now, tasks: answer.tasks, sinks: answer.sinks });
      if (answer.pending && !pending.pending) pending = answer;
    }
    const causes = new Causes({ topology, reports, unanswered, addressOf: (task) => own.addressOf(task) });
    const { actor, key } = question;
    const explanation = {
      app: settings.app.name,
      at: settings.clock.now(),
      ...(actor !== undefined && { actor }),
      ...(key !== undefined && { key }),
      ...(key !== undefined && pending.pending && { pending: pending.pending }),
      ...(pending.pendingOmitted !== undefined && { pendingOmitted: pending.pendingOmitted }),
      tasks: names.map((name) => this.#task(name, causes)),
      sinks: this.#sinkTasks(question, causes),
      unanswered: [...unanswered].map(([instance, reason]) => ({ instance, reason })),
    };
    return { ...explanation, sentences: sentencesOf(explanation) };
  }

  #sinkTasks({ actor }: Question, causes: Causes): SinkExplanation[] {
    return [...this.#options.layout.places.values()].flatMap(({ name, group, partition }) => {
      if (!("sink" in group) || actor !== undefined && actor !== group.sink.name) return [];
      const { known, finding } = causes.ofSink(name);
      const { cause, instance } = finding;
      return [{
        task: name,
        sink: group.sink.name,
        topic: group.topic.name,
        partition,
        ...(instance !== undefined && { instance }),
        ...(known && {
          state: known.facts.state,
          position: known.facts.position,
          end: known.facts.end,
          lag: known.facts.lag,
        }),
        cause,
        finding,
      }];
    });
  }

  #task(name: string, causes: Causes): TaskExplanation {
    const { group, partition } = this.#options.layout.places.get(name)!;
    const known = causes.of(name);
    const findings = causes.why(name);
    const instance = known?.report.instance ?? (known ? undefined : this.#options.own.addressOf(name));
    return {
      task: name,
      group: group.name,
      partition,
      actors: "sink" in group ? [] : group.actors.map((actor) => actor.name),
      ...(instance !== undefined && { instance }),
      ...(known && {
        state: known.facts.state,
        watermark: known.facts.watermark,
        standsMs: known.facts.standsMs,
        inputs: known.facts.inputs,
      }),
      cause: findings[0]!.cause,
      findings,
      notes: causes.notes(name),
    };
  }

  /** The tasks that a question is about. */
  #names({ actor, key }: Question): string[] {
    const { layout: { topology, places } } = this.#options;
    if (actor === undefined) {
      // A sink waits for no watermark, and is told of by itself.
      if (key === undefined) return [...places.values()].flatMap(({ name, group }) => "sink" in group ? [] : [name]);
      throw new TidemarkError("TIDEMARK_REQUEST_INVALID", "Cannot explain a key without an actor: name its actor too");
    }
    const group = topology.home.get(actor);
    if (topology.sinks.some(({ sink }) => sink.name === actor)) {
      if (key === undefined) return [];
      throw new TidemarkError(
        "TIDEMARK_REQUEST_INVALID",
        "Cannot explain a key of a sink: it holds none; leave it out",
      );
    }
    if (!group) {
      throw new TidemarkError(
        "TIDEMARK_ACTOR_UNKNOWN",
        `Cannot find actor ${JSON.stringify(actor.slice(0, 100))}: the app has ${[...topology.home.keys()].join(", ")}`,
      );
    }
    if (key === undefined) {
      return Array.from({ length: group.partitions }, (_, partition) => taskName(group, partition));
    }
    const fault = keyFault(key);
    if (fault !== undefined) throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot look up a key: ${fault}`);
    return [taskName(group, partitionFor(key, group.partitions))];
  }

  /** What waits of a key, if its task is here and can be read. */
  async #pending({ actor, key }: Question): Promise<Pending[] | undefined> {
    if (actor === undefined || key === undefined) return undefined;
    const { tasks, settings } = this.#options;
    const [name] = this.#names({ actor, key });
    const task = tasks.find((one) => one.name === name);
    const definition = settings.app["~app"].actors.find(({ name }) => name === actor)!;
    try {
      return task && await new ActorReader(task.store, definition).pending(key);
    } catch (error) {
      if (error instanceof TidemarkError && error.retry) return undefined;
      throw error;
    }
  }

  /** What the log says of a partition; undefined when it says that it cannot. */
  async #bounds(partition: TopicPartition): Promise<Bounds | undefined> {
    try {
      return await this.#options.settings.log.bounds(partition);
    } catch {
      return undefined; // the task that reads it tells why
    }
  }
}
