import type { ActorDefinition } from "../core/actor.ts";
import { topicsReadBy } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import type { Header, LogRecord, TopicPartition } from "../core/record.ts";
import { claimedHeader } from "../core/trace-context.ts";
import type { Group, Topology } from "../core/topology.ts";
import type { Ack, Membership } from "../log/log.ts";
import { assign } from "./assign.ts";
import type { Clock } from "./clock.ts";
import { DeadLetters } from "./dead-letters.ts";
import { askNobody, type AskOthers, Explainer, type OwnReport } from "./explain/explainer.ts";
import type { Explanation, Question } from "./explain/explanation.ts";
import { Follower } from "./follower.ts";
import { type Layout, layOut } from "./layout.ts";
import type { Moves } from "./measures.ts";
import { type RuntimeOptions, type Settings, settingsOf } from "./options.ts";
import { Placement, type Publication, publish } from "./publish.ts";
import { ActorReader, type ActorState, type Page, type PageOptions, type Standing, viewOf } from "./query.ts";
import { Positions } from "./positions.ts";
import { type ReadOptions, readTopic } from "./read.ts";
import { OwnTasks } from "./own-tasks.ts";
import { SinkTask } from "./sink-task.ts";
import { Task, taskName } from "./task.ts";
import { spansOf } from "./tracing.ts";

/**
 * An app at work: its tasks, from the log into the store and back into the log. Made by {@link start}.
 */
export class Runtime implements AsyncDisposable {
  /** Settles when all tasks have ended: rejects with the first error that no restart can help. */
  readonly ended: Promise<void>;
  /** Resolves when every task of this instance has been restored for the first time; rejects as {@link ended} does. */
  readonly opened: Promise<void>;
  /** Records that could not be processed. */
  readonly deadLetters: DeadLetters;
  /** How far what is read is processed. */
  readonly positions: Positions;
  readonly #settings: Settings;
  readonly #membership: Membership;
  readonly #own: OwnTasks<Task | SinkTask>;
  #layout: Layout;
  #placement: Placement;

  /** @internal use {@link start} */
  constructor(settings: Settings, layout: Layout, membership: Membership) {
    this.#settings = settings;
    this.#layout = layout;
    this.#membership = membership;
    this.#placement = new Placement(settings.app["~app"], layout.partitions);
    const make = (name: string) => this.#newTask(name);
    const prepare = (names: Iterable<string>) => this.#learn(names);
    this.#own = new OwnTasks({ membership, make, prepare, clock: settings.clock, onNotice: settings.onNotice });
    this.ended = this.#own.ended;
    this.opened = this.#own.opened;
    this.deadLetters = new DeadLetters({
      app: settings.app.name,
      log: settings.log,
      topology: () => this.topology,
      task: (name) => this.#taskNamed(name),
      addressOf: (name) => this.#own.addressOf(name),
    });
    this.positions = new Positions({
      settings,
      topology: () => this.topology,
      taskOf: (group, partition) => this.#task(group, partition),
      addressOf: (name) => this.#own.addressOf(name),
    });
    this.#watchTopics().catch((error) => this.#own.fail(error));
  }

  /** The tasks of this instance, without those of its sinks, for those who watch. */
  get tasks(): readonly Task[] {
    return this.#own.all.filter((task) => task instanceof Task);
  }

  /** The tasks of this instance's sinks, for those who watch. */
  get sinks(): readonly SinkTask[] {
    return this.#own.all.filter((task) => task instanceof SinkTask);
  }

  /** The app's actors. */
  get actors(): readonly ActorDefinition[] {
    return this.#settings.app["~app"].actors;
  }

  /** The names of the topics that the app reads. */
  get topicsRead(): ReadonlySet<string> {
    return topicsReadBy(this.#settings.app["~app"]);
  }

  get topology(): Topology {
    return this.#layout.topology;
  }

  get placement(): Placement {
    return this.#placement;
  }

  /** The clock it goes by. */
  get clock(): Clock {
    return this.#settings.clock;
  }

  /** How tasks came to this instance and left it. */
  get moves(): Moves {
    return this.#own.moves;
  }

  /** How much of what was sampled was traced, and how much was skipped as it was over the limit, since the start. */
  get traces(): { readonly traced: number; readonly skipped: number } {
    return this.#settings.traceLimit;
  }

  /** Whether every task of this instance answers queries and does its work. */
  get isReady(): boolean {
    return this.missing.length === 0;
  }

  /** What keeps it from being ready, in words; empty when nothing does. */
  get missing(): readonly string[] {
    return this.#own.missing;
  }

  /**
   * The address of the instance that has a key's state, when it is another one. Undefined when it is this one, or when nobody
   * can be told. @throws TIDEMARK_ACTOR_UNKNOWN
   */
  addressOf(actor: string, key: string): string | undefined {
    const { group } = this.#home(actor);
    return this.#own.addressOf(taskName(group, partitionFor(key, group.partitions)));
  }

  /** How many partitions the keys of an actor are spread over. @throws TIDEMARK_ACTOR_UNKNOWN */
  partitionsOf(actor: string): number {
    return this.#home(actor).group.partitions;
  }

  /**
   * The address of the instance that has an actor's partition; undefined when it is this one.
   * @throws TIDEMARK_ACTOR_UNKNOWN; TIDEMARK_NOT_READY when it is where nobody can be asked
   */
  whereIs(actor: string, partition: number): string | undefined {
    const name = taskName(this.#home(actor).group, partition);
    if (this.#own.isAssigned(name)) return undefined;
    const address = this.#own.addressOf(name);
    if (address === undefined) throw notHere(name);
    return address;
  }

  /**
   * The committed state of an actor, undefined when it has none, and where its task stands.
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  async get(actor: string, key: string): Promise<{ state: ActorState | undefined; standing: Standing | undefined }> {
    return await this.#reader(actor, key).get(key);
  }

  /**
   * The committed state of a windowed actor's open windows of one key, at most 1,000, the first to close first; each at least
   * as new as where the task stands.
   */
  async windows(
    actor: string,
    key: string,
  ): Promise<{ states: readonly ActorState[]; standing: Standing | undefined }> {
    const reader = this.#reader(actor, key);
    const standing = await reader.standing();
    return { states: await reader.windows(key), standing };
  }

  /**
   * The windows of one key that closed last, the newest first, each with the state it had at its close: those among the last
   * 1,000 that the task has closed since its start. @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  closedWindows(actor: string, key: string): ActorState[] {
    const { definition, group } = this.#home(actor);
    const { router } = this.#task(group, partitionFor(key, group.partitions));
    return router.closedWindows(actor, key).map(({ window, snapshot }) => ({
      key,
      window,
      ...viewOf(definition, snapshot),
    }));
  }

  /**
   * All committed states of an actor, task by task.
   * @param partitions those of some partitions; default: of all that are here
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  async *scan(actor: string, partitions?: readonly number[]): AsyncGenerator<ActorState> {
    const { definition, group } = this.#home(actor);
    const here = this.tasks.filter((task) => task.group.name === group.name).map(({ partition }) => partition);
    for (const partition of partitions ?? here) {
      yield* new ActorReader(this.#task(group, partition).store, definition).scan();
    }
  }

  /**
   * What moves event time and what holds it, for the whole app, one actor, or one of its keys: why a window is not closing.
   * @param askOthers asks other instances for their {@link report}s, as `GET /explain` does; default: they count as silent
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_KEY_INVALID, TIDEMARK_REQUEST_INVALID
   */
  async explain(question: Question = {}, askOthers: AskOthers = askNobody): Promise<Explanation> {
    return await this.#explainer.explain(question, askOthers);
  }

  /** What this instance has to say to {@link explain} when another one was asked. Throws as that does. */
  async report(question: Question = {}): Promise<OwnReport> {
    return await this.#explainer.report(question);
  }

  /**
   * Follows what is committed of the actor of a key, until what comes along is called.
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  follow(actor: string, key: string): { readonly follower: Follower; readonly stop: () => void } {
    const follower = new Follower(this.#reader(actor, key).idOf(key));
    const { group } = this.#home(actor);
    return { follower, stop: this.#task(group, partitionFor(key, group.partitions)).feed.listen(follower) };
  }

  /**
   * Some committed states of an actor in one of its partitions: each at least as new as where the task stands.
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  async page(
    actor: string,
    partition: number,
    options: PageOptions,
  ): Promise<Page & { readonly standing: Standing | undefined }> {
    const { definition, group } = this.#home(actor);
    const reader = new ActorReader(this.#task(group, partition).store, definition);
    const standing = await reader.standing();
    return { ...await reader.page(options), standing };
  }

  /** The records of a topic, as {@link readTopic} has them. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  read(topic: string, options: ReadOptions = {}): AsyncGenerator<LogRecord & TopicPartition> {
    return readTopic(this.#settings.log, topic, options);
  }

  /**
   * Puts records into a topic.
   * @param traceparent the trace that they shall be a part of (W3C); one that is not sound is as good as none
   * @throws TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_RECORD_TOO_LARGE
   */
  async publish(topic: string, publications: readonly Publication[], traceparent?: string): Promise<Ack[]> {
    const { log, clock } = this.#settings;
    const put = (header: Header | undefined) => publish(log, this.#placement, topic, publications, clock.now(), header);
    const header = traceparent === undefined ? undefined : claimedHeader(traceparent);
    const spans = spansOf(this.#settings);
    return await (spans ? spans.publish(topic, header, put) : put(header));
  }

  /**
   * Declares that the sources will have no more records than the log holds now: closes all that is open, commits, and ends.
   * A finished source stays finished: records that come later, in another run too, are late.
   */
  async finish(): Promise<void> {
    await this.#own.finish();
  }

  /**
   * Ends orderly: commits what is done, and releases everything but the log. Rejects as {@link ended} does.
   * @param settled what is waited for when all is committed and can still be read; it may not reject. Default: nothing
   */
  async stop(settled?: () => Promise<void>): Promise<void> {
    await this.#own.stop(settled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #explainer(): Explainer {
    const { tasks, sinks } = this;
    return new Explainer({ settings: this.#settings, layout: this.#layout, tasks, sinks, own: this.#own });
  }

  #newTask(name: string): Task | SinkTask {
    const { group, partition, isAdded } = this.#layout.places.get(name)!;
    const { partitions } = this.#layout;
    const settings = isAdded ? { ...this.#settings, from: "earliest" as const } : this.#settings;
    const partitionsOf = (topic: string) => partitions.get(topic)!;
    const tasksOwned = () => this.#own.count;
    if ("sink" in group) {
      const endOf = (partition: TopicPartition) => this.#endOf(partition);
      return new SinkTask(group, partition, settings, { partitionsOf, tasksOwned, endOf });
    }
    return new Task(group, partition, partitionsOf, settings, tasksOwned, () => this.#areMessagesRead());
  }

  /** Where a partition ends, once no task that is here will write to it any more. */
  async #endOf(partition: TopicPartition): Promise<number | undefined> {
    // One that has finished still has to commit what it did last.
    if (this.tasks.some(({ state, router }) => state !== "finished" || router.hasProgress)) return undefined;
    const { end } = await this.#settings.log.bounds(partition);
    // On a cluster what was committed last may not show yet.
    return Math.max(end, ...this.tasks.map((task) => task.sent.endOf(partition)));
  }

  /**
   * Whether the tasks that are here have read all messages there are, and none of them will send another. A message that
   * another instance sends later waits for the next run.
   */
  async #areMessagesRead(): Promise<boolean> {
    if (!this.actors.some(({ inbox }) => inbox)) return true;
    const areQuiet = () => this.tasks.every((task) => task.isQuiet);
    if (!areQuiet()) return false;
    for (const { router, state } of this.tasks) {
      if (state === "finished") continue;
      for (const input of router.inputs) {
        if (input.plan.inbox && (await this.#settings.log.bounds(input)).end > input.done) return false;
      }
    }
    return areQuiet();
  }

  /** Looks at the topics again when the group speaks of tasks that are not known here. */
  async #learn(names: Iterable<string>): Promise<void> {
    for (const name of names) {
      if (!this.#layout.places.has(name)) return await this.#layOutAnew();
    }
  }

  /** Takes part in the work on partitions that were added. @throws TIDEMARK_TOPOLOGY_CHANGED */
  async #layOutAnew(): Promise<void> {
    const { fingerprint, places } = this.#layout;
    const layout = await layOut(this.#settings);
    if (layout.fingerprint !== fingerprint) {
      throw new TidemarkError(
        "TIDEMARK_TOPOLOGY_CHANGED",
        `Cannot go on with app "${this.#settings.app.name}": its topics have other partitions than at its start, and its ` +
          "keys would lie elsewhere; undo that, or give the app a new name",
      );
    }
    const added = [...layout.places.keys()].filter((name) => !places.has(name));
    if (added.length === 0) return;
    this.#layout = layout;
    this.#placement = new Placement(this.#settings.app["~app"], layout.partitions);
    const message = `Partitions were added: there are new tasks ${added.join(", ")}`;
    this.#settings.onNotice({ level: "warn", code: "TIDEMARK_TASKS_ADDED", message });
    this.#membership.change([...layout.places.keys()]);
  }

  /** Looks for added partitions from time to time. */
  async #watchTopics(): Promise<void> {
    const { log, clock, topicsIntervalMs } = this.#settings;
    const own = [...this.#settings.app["~app"].topics.keys()];
    for (;;) {
      await clock.pause(topicsIntervalMs, this.#own.stopping);
      if (this.#own.stopping.aborted) return;
      const found = await log.topics(own).catch(() => undefined); // the tasks tell when the log is out of reach
      // A broker that starts or ends knows of no topics for a moment.
      if (!found || own.some((name) => !found.has(name))) continue;
      if (own.every((name) => found.get(name) === this.#layout.partitions.get(name))) continue;
      await this.#layOutAnew().catch((error) => {
        if (!(error instanceof TidemarkError && error.retry)) throw error;
      });
    }
  }

  #reader(actor: string, key: string): ActorReader {
    const { definition, group } = this.#home(actor);
    return new ActorReader(this.#task(group, partitionFor(key, group.partitions)).store, definition);
  }

  #task(group: Group, partition: number): Task {
    return this.#taskNamed(taskName(group, partition)) as Task;
  }

  #taskNamed(name: string): Task | SinkTask {
    const task = this.#own.get(name);
    if (task) return task;
    throw notHere(name);
  }

  #home(actor: string): { definition: ActorDefinition; group: Group } {
    const group = this.topology.home.get(actor);
    const definition = this.actors.find(({ name }) => name === actor);
    if (group && definition) return { group, definition };
    const names = this.actors.map(({ name }) => name).join(", ");
    throw new TidemarkError(
      "TIDEMARK_ACTOR_UNKNOWN",
      `Cannot find actor ${JSON.stringify(actor)}: the app has ${names}`,
    );
  }
}

function notHere(name: string): TidemarkError {
  const message = `Cannot read from task ${name}: it is in another instance, or on its way; try again soon`;
  return new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
}

/**
 * Starts an app on a log: checks or creates its topics, and sets its tasks to work. Queries are answered from
 * {@link Runtime.opened} on.
 * @throws TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_NOT_PARTITIONED, TIDEMARK_TOPOLOGY_CHANGED, and what
 * the log throws; `opened` and `ended` reject with TIDEMARK_STORE_FOREIGN and what the stores throw
 */
export async function start(options: RuntimeOptions): Promise<Runtime> {
  const settings = settingsOf(options);
  const layout = await layOut(settings);
  const membership = await settings.log.join({
    group: settings.app.name,
    tasks: [...layout.places.keys()],
    topics: [...settings.app["~app"].topics.keys()],
    fingerprint: layout.fingerprint,
    address: settings.address,
    assign,
  });
  return new Runtime(settings, layout, membership);
}
