import type { ActorDefinition } from "../core/actor.ts";
import { reasonOf, TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import type { LogRecord, TopicPartition } from "../core/record.ts";
import { type Group, internal, type Topology, topology } from "../core/topology.ts";
import type { Ack } from "../log/log.ts";
import { type RuntimeOptions, type Settings, settingsOf } from "./options.ts";
import { Placement, type Publication, publish } from "./publish.ts";
import { ActorReader, type ActorState, type Standing } from "./query.ts";
import { type ReadOptions, readTopic } from "./read.ts";
import { Task } from "./task.ts";

/** Waits between the restarts of a task that failed for a passing reason: doubled each time, from and up to, in ms. */
const BACK_OFF_MS = { first: 100, most: 10_000 } as const;

/**
 * An app at work: its tasks, from the log into the store and back into the log. Made by {@link start}.
 */
export class Runtime implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #topology: Topology;
  readonly #tasks: Task[] = [];
  readonly #placement: Placement;
  readonly #stop = new AbortController();
  /** Settles when all tasks have ended: rejects with the first error that no restart can help. */
  readonly ended: Promise<void>;
  /** Resolves when every task has been restored for the first time; rejects as {@link ended} does. */
  readonly opened: Promise<void>;
  readonly #open = Promise.withResolvers<void>();
  #isFinishing = false;

  /** @internal use {@link start} */
  constructor(settings: Settings, cut: Topology, partitions: ReadonlyMap<string, number>) {
    this.#settings = settings;
    this.#topology = cut;
    this.#placement = new Placement(settings.app["~app"], partitions);
    for (const group of cut.groups) {
      for (let partition = 0; partition < group.partitions; partition++) {
        this.#tasks.push(this.#newTask(group, partition, partitions));
      }
    }
    this.opened = this.#open.promise;
    this.ended = this.#supervise(partitions);
    this.ended.then(this.#open.resolve, this.#open.reject);
    this.opened.catch(() => {});
  }

  /** The tasks, for those who watch. */
  get tasks(): readonly Task[] {
    return this.#tasks;
  }

  /** The app's actors. */
  get actors(): readonly ActorDefinition[] {
    return this.#settings.app["~app"].actors;
  }

  get topology(): Topology {
    return this.#topology;
  }

  get placement(): Placement {
    return this.#placement;
  }

  /** Whether every task answers queries and does its work. */
  get isReady(): boolean {
    return this.#tasks.every(({ state }) => state === "running" || state === "finished");
  }

  /**
   * The committed state of an actor, undefined when it has none, and where its task stands.
   * @throws TIDEMARK_ACTOR_UNKNOWN, TIDEMARK_NOT_READY
   */
  async get(actor: string, key: string): Promise<{ state: ActorState | undefined; standing: Standing | undefined }> {
    return await this.#reader(actor, key).get(key);
  }

  /** The committed state of a windowed actor's open windows of one key; at most 1,000, the first to close first. */
  async windows(actor: string, key: string): Promise<ActorState[]> {
    return await this.#reader(actor, key).windows(key);
  }

  /** All committed states of an actor, task by task. */
  async *scan(actor: string): AsyncGenerator<ActorState> {
    const { definition, group } = this.#home(actor);
    for (const task of this.#tasks.filter((one) => one.group === group)) {
      yield* new ActorReader(task.store, definition).scan();
    }
  }

  /** The records of a topic, as {@link readTopic} has them. @throws TIDEMARK_LOG_TOPIC_UNKNOWN */
  read(topic: string, options: ReadOptions = {}): AsyncGenerator<LogRecord & TopicPartition> {
    return readTopic(this.#settings.log, topic, options);
  }

  /** Puts records into a topic. @throws TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_RECORD_TOO_LARGE */
  async publish(topic: string, publications: readonly Publication[]): Promise<Ack[]> {
    const { log, clock } = this.#settings;
    return await publish(log, this.#placement, topic, publications, clock.now());
  }

  /**
   * Declares that the sources will have no more records than the log holds now: closes all that is open, commits, and ends.
   * A finished source stays finished: records that come later, in another run too, are late.
   */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    for (const task of this.#tasks) await task.finish();
    await this.ended;
  }

  /** Ends orderly: commits what is done, and releases everything but the log. Rejects as {@link ended} does. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const task of this.#tasks) task.stop();
    try {
      await this.ended;
    } finally {
      for (const task of this.#tasks) await task.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #newTask(group: Group, partition: number, partitions: ReadonlyMap<string, number>): Task {
    return new Task(group, partition, (topic) => partitions.get(topic)!, this.#settings);
  }

  async #supervise(partitions: ReadonlyMap<string, number>): Promise<void> {
    const lives = this.#tasks.map((_, index) => this.#live(index, partitions));
    try {
      await Promise.all(lives);
    } catch (error) {
      for (const task of this.#tasks) task.stop();
      await Promise.allSettled(lives);
      throw error;
    }
  }

  /** Runs one task, and runs it anew from its checkpoint when it fails for a reason that may pass; but it must have run once. */
  async #live(index: number, partitions: ReadonlyMap<string, number>): Promise<void> {
    let hasOpened = false;
    for (let wait: number = BACK_OFF_MS.first;; wait = Math.min(wait * 2, BACK_OFF_MS.most)) {
      const task = this.#tasks[index]!;
      try {
        await task.open();
        hasOpened = true;
        if (this.isReady) this.#open.resolve();
        if (this.#isFinishing) await task.finish();
        await task.run();
        return;
      } catch (error) {
        await task.close();
        const mayPass = error instanceof TidemarkError && error.retry && hasOpened;
        if (this.#stop.signal.aborted || !mayPass) throw error;
        this.#settings.onNotice(`Task ${task.name} starts again from its checkpoint in ${wait} ms: ${reasonOf(error)}`);
        await pause(wait, this.#stop.signal);
        if (this.#stop.signal.aborted) return;
        this.#tasks[index] = this.#newTask(task.group, task.partition, partitions);
      }
    }
  }

  #reader(actor: string, key: string): ActorReader {
    const { definition, group } = this.#home(actor);
    const partition = partitionFor(key, group.partitions);
    const task = this.#tasks.find((one) => one.group === group && one.partition === partition)!;
    return new ActorReader(task.store, definition);
  }

  #home(actor: string): { definition: ActorDefinition; group: Group } {
    const group = this.#topology.home.get(actor);
    const definition = this.actors.find(({ name }) => name === actor);
    if (group && definition) return { group, definition };
    const names = this.actors.map(({ name }) => name).join(", ");
    throw new TidemarkError(
      "TIDEMARK_ACTOR_UNKNOWN",
      `Cannot find actor ${JSON.stringify(actor)}: the app has ${names}`,
    );
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/**
 * Starts an app on a log: checks or creates its topics, and sets its tasks to work. Queries are answered from
 * {@link Runtime.opened} on.
 * @throws TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_NOT_PARTITIONED, TIDEMARK_TOPOLOGY_CHANGED, and what
 * the log throws; `opened` and `ended` reject with TIDEMARK_STORE_FOREIGN and what the stores throw
 */
export async function start(options: RuntimeOptions): Promise<Runtime> {
  const settings = settingsOf(options);
  const app = settings.app["~app"];
  const { log, createPartitions } = settings;
  const names = [...app.topics.keys()];
  if (createPartitions !== undefined) {
    await log.createTopics(names.map((name) => ({ name, partitions: createPartitions })));
  }
  await log.createTopics([{ name: internal.deadLetters(app.name), partitions: 1 }]);
  const existing = await log.topics();
  const missing = names.filter((name) => !existing.has(name));
  if (missing.length > 0) {
    throw new TidemarkError(
      "TIDEMARK_LOG_TOPIC_UNKNOWN",
      `Cannot start app "${app.name}": create ${missing.join(", ")} first`,
    );
  }
  const cut = topology(app, existing);
  checkChangelogs(app.name, cut, existing);
  await log.createTopics([...cut.repartitions].map(([name, partitions]) => ({ name, partitions })));
  await log.createTopics(
    cut.groups.map(({ changelog, partitions }) => ({ name: changelog, partitions, compacted: true })),
  );
  return new Runtime(settings, cut, await log.topics());
}

/** State under a name that no group has any more would be left behind without a word. */
function checkChangelogs(app: string, { groups }: Topology, existing: ReadonlyMap<string, number>): void {
  const known = new Set(groups.map(({ changelog }) => changelog));
  const left = [...existing.keys()].filter((name) =>
    name.startsWith(`${app}.`) && name.endsWith(".changelog") && !known.has(name)
  );
  if (left.length === 0) return;
  throw new TidemarkError(
    "TIDEMARK_TOPOLOGY_CHANGED",
    `Cannot start app "${app}": the state in ${left.join(", ")} belongs to none of its groups (${
      groups.map(({ name }) => name).join(", ")
    }); undo the change of topics or partitions, or give the app a new name`,
  );
}
