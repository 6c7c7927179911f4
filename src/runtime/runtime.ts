import type { ActorDefinition } from "../core/actor.ts";
import { TidemarkError } from "../core/errors.ts";
import { partitionFor } from "../core/hash.ts";
import type { LogRecord, TopicPartition } from "../core/record.ts";
import { type Group, internal, type Topology, topology } from "../core/topology.ts";
import type { Ack, Membership } from "../log/log.ts";
import { assign } from "./assign.ts";
import { type RuntimeOptions, type Settings, settingsOf } from "./options.ts";
import { Placement, type Publication, publish } from "./publish.ts";
import { ActorReader, type ActorState, type Standing } from "./query.ts";
import { type ReadOptions, readTopic } from "./read.ts";
import { OwnTasks } from "./own-tasks.ts";
import { Task, taskName } from "./task.ts";

/**
 * An app at work: its tasks, from the log into the store and back into the log. Made by {@link start}.
 */
export class Runtime implements AsyncDisposable {
  /** Settles when all tasks have ended: rejects with the first error that no restart can help. */
  readonly ended: Promise<void>;
  /** Resolves when every task of this instance has been restored for the first time; rejects as {@link ended} does. */
  readonly opened: Promise<void>;
  readonly #settings: Settings;
  readonly #topology: Topology;
  readonly #own: OwnTasks;
  readonly #placement: Placement;

  /** @internal use {@link start} */
  constructor(settings: Settings, cut: Topology, partitions: ReadonlyMap<string, number>, membership: Membership) {
    this.#settings = settings;
    this.#topology = cut;
    this.#placement = new Placement(settings.app["~app"], partitions);
    const places = new Map(placesOf(cut).map((place) => [place.name, place]));
    const partitionsOf = (topic: string) => partitions.get(topic)!;
    const make = (name: string) => {
      const { group, partition } = places.get(name)!;
      return new Task(group, partition, partitionsOf, settings, () => this.tasks.length);
    };
    this.#own = new OwnTasks({ membership, make, onNotice: settings.onNotice });
    this.ended = this.#own.ended;
    this.opened = this.#own.opened;
  }

  /** The tasks of this instance, for those who watch. */
  get tasks(): readonly Task[] {
    return this.#own.all;
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

  /** Whether every task of this instance answers queries and does its work. */
  get isReady(): boolean {
    return this.#own.isReady;
  }

  /**
   * The address of the instance that has a key's state, when it is another one. Undefined when it is this one, or when nobody
   * can be told. @throws TIDEMARK_ACTOR_UNKNOWN
   */
  addressOf(actor: string, key: string): string | undefined {
    const { group } = this.#home(actor);
    return this.#own.addressOf(taskName(group, partitionFor(key, group.partitions)));
  }

  /**
   * The addresses of the other instances that have states of an actor.
   * @throws TIDEMARK_ACTOR_UNKNOWN; TIDEMARK_NOT_READY when some of it is where nobody can be asked
   */
  addressesOf(actor: string): string[] {
    const { group } = this.#home(actor);
    const names = Array.from({ length: group.partitions }, (_, partition) => taskName(group, partition));
    const addresses = names.filter((name) => !this.#own.isAssigned(name)).map((name) => {
      const address = this.#own.addressOf(name);
      if (address === undefined) throw notHere(name);
      return address;
    });
    return [...new Set(addresses)];
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
    for (const task of this.tasks.filter((one) => one.group === group)) {
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
    await this.#own.finish();
  }

  /** Ends orderly: commits what is done, and releases everything but the log. Rejects as {@link ended} does. */
  async stop(): Promise<void> {
    await this.#own.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #reader(actor: string, key: string): ActorReader {
    const { definition, group } = this.#home(actor);
    const partition = partitionFor(key, group.partitions);
    const task = this.#own.get(taskName(group, partition));
    if (task) return new ActorReader(task.store, definition);
    throw notHere(taskName(group, partition));
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

function notHere(name: string): TidemarkError {
  const message = `Cannot read from task ${name}: it is in another instance, or on its way; try again soon`;
  return new TidemarkError("TIDEMARK_NOT_READY", message, { retry: true });
}

/** A task as it is named in the group, with its store and its transactional id. */
function placesOf(
  { groups }: Topology,
): { readonly name: string; readonly group: Group; readonly partition: number }[] {
  const places = groups.flatMap((group) =>
    Array.from({ length: group.partitions }, (_, partition) => ({ name: taskName(group, partition), group, partition }))
  );
  // Partition by partition, so that any run of them has some of every group.
  return places.sort((a, b) => a.partition - b.partition);
}

/** Instances whose tasks mean something else must not share them. */
function fingerprintOf({ groups }: Topology): string {
  const meaning = groups.map(({ name, partitions, inputs }) => [name, partitions, inputs.map(({ topic }) => topic)]);
  return `tidemark-1-${partitionFor(JSON.stringify(meaning), 2 ** 31 - 1).toString(16)}`;
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
  const membership = await log.join({
    group: app.name,
    tasks: placesOf(cut).map(({ name }) => name),
    topics: names,
    fingerprint: fingerprintOf(cut),
    address: settings.address,
    assign,
  });
  return new Runtime(settings, cut, await log.topics(), membership);
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
