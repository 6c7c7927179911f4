/**
 * A simulated fleet whose partitions fall silent, get old records or records from the future, and whose processes freeze and
 * die. Whenever event time stands still though records come, somebody asks why, does what the answer asks for, and event time
 * must go on.
 */
import { actor, app, type Explanation, type Finding, type Runtime, topic, tumbling } from "tidemark";
import { Random } from "tidemark/testing";
import { any } from "valibot";
import { partitionFor } from "../../src/core/hash.ts";
import { watermarkFromJson } from "../../src/core/watermark.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import type { OwnReport } from "../../src/runtime/explain/explainer.ts";
import { Audit } from "../../src/testing/simulation/audit.ts";
import { Faults } from "../../src/testing/simulation/faults.ts";
import { Fleet } from "../../src/testing/simulation/fleet.ts";
import { Shared } from "../../src/testing/simulation/gated-log.ts";
import { SimulatedGroup } from "../../src/testing/simulation/group.ts";
import type { Life } from "../../src/testing/simulation/life.ts";
import { Trace } from "../../src/testing/simulation/trace.ts";
import { World } from "../../src/testing/simulation/world.ts";
import { add } from "./minutes.ts";
import { adder, collector } from "./machines.ts";

/** What wall clocks show at the beginning of a simulated run. */
const EPOCH_MS = 1_767_225_600_000;

const OUT_OF_ORDER_MS = 50;
const HOUR_MS = 3_600_000;

/** How long event time must stand before somebody asks, in ms: longer than between two commits, and than news take. */
const STANDS_MS = 5_000;

/** How soon it must go on, in ms, when that was done which the answer asks for. */
const GOES_ON_MS = 8_000;

/** How often somebody asks, where the answer is to wait. */
const QUESTIONS_MAX = 8;

/** What somebody can do something about. The rest passes. */
const ACTIONABLE: ReadonlySet<string> = new Set(["silent", "empty", "old", "future", "idle"]);

/** Where a task stood at a time, as far as it was committed. */
interface Stand {
  readonly at: number;
  readonly watermark: number;
  readonly offsets: number;
}

const counted = topic("counted", { schema: any() });

/** Two topics of three partitions, read together or not, with two stages behind them. */
function appFor(random: Random) {
  const partitioned = random.chance(0.4);
  const topics = ["views", "clicks"].map((name) => {
    const idleAfterMs = random.pick([undefined, undefined, 2_000, 15_000]);
    return topic(name, {
      schema: any(),
      time: ({ time }) => time,
      partitioned,
      watermark: {
        maxOutOfOrderness: { milliseconds: OUT_OF_ORDER_MS },
        ...(idleAfterMs !== undefined && { idleAfter: { milliseconds: idleAfterMs } }),
      },
    });
  });
  // Keys say in which partition they are, so that either way of reading is right.
  const sources = topics.map((one) => one.by(({ key }) => key as string));
  const window = actor("first", collector).window(tumbling({ seconds: 2 })).within("updated").within("closed");
  const first = sources.reduce(
    (one, source) => one.on(source, ({ time }) => ({ type: "record", id: `${time}` })),
    window,
  );
  const second = actor("second", adder).window(tumbling({ seconds: 5 }, { allowedLateness: { seconds: 1 } }))
    .on(first.emitted("closed").by(({ end }) => `${end % 3}`), ({ ids }) => ({ type: "add", n: ids.length }))
    .to("summed", counted, (event) => event);
  return app("still", [first, second]);
}

/** What a run was like. */
export interface StandStillReport {
  /** How often somebody asked, and how often each cause was named. */
  readonly asked: number;
  readonly causes: ReadonlyMap<string, number>;
  readonly steps: number;
}

/** One run, which is over after a few phases. */
export class StandStill {
  readonly #seed: number;
  readonly #random: Random;
  readonly #world: World;
  readonly #shared: Shared;
  readonly #fleet: Fleet;
  readonly #tamper: (explanation: Explanation) => Explanation;
  readonly #stands = new Map<string, Stand>();
  readonly #keys: readonly string[];
  readonly #causes = new Map<string, number>();
  #asked = 0;
  #active: readonly (readonly [topic: string, partition: number])[] = [];
  #mood: "new" | "old" | "future" = "new";

  /** @param tamper changes what is answered, to see that wrong answers are found */
  constructor(seed: number, tamper: (explanation: Explanation) => Explanation = (explanation) => explanation) {
    this.#seed = seed;
    const random = this.#random = new Random(seed);
    const definition = appFor(random.fork());
    const world = this.#world = new World(random.fork(), new Trace(false));
    const log = memoryLog({ markers: random.chance(0.5) });
    const faults = new Faults(random.fork(), true);
    this.#shared = new Shared(log, new SimulatedGroup(world), new Audit(definition["~app"]), faults, () => world.now);
    const settings = {
      commitIntervalMs: random.pick([0, 100, 1_000]),
      pollBytes: random.pick([1_024, 131_072]),
      topicsIntervalMs: HOUR_MS,
    };
    const options = { app: definition, topics: { views: 3, clicks: 3, counted: 1 }, inputs: () => [] };
    this.#fleet = new Fleet(options, settings, world, this.#shared);
    this.#tamper = tamper;
    this.#keys = keysOf(3);
  }

  async toEnd(): Promise<StandStillReport> {
    try {
      const { log } = this.#shared;
      await log.createTopics(
        Object.entries({ views: 3, clicks: 3, counted: 1 }).map(([name, partitions]) => ({
          name,
          partitions,
        })),
      );
      for (const instance of this.#fleet.instances) this.#fleet.startLater(instance, 500);
      for (let phase = 0; phase < 4; phase++) await this.#phase();
      for (const life of this.#fleet.lives) await this.#fleet.crash(life);
      return { asked: this.#asked, causes: this.#causes, steps: this.#world.steps };
    } catch (error) {
      throw new Error(`Seed ${this.#seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }

  /** Some partitions get records for a while, of one kind; then whatever stands is looked into. */
  async #phase(): Promise<void> {
    const random = this.#random;
    const all = ["views", "clicks"].flatMap((topic) => [0, 1, 2].map((partition) => [topic, partition] as const));
    this.#active = all.filter(() => random.chance(0.75));
    this.#mood = random.pick(["new", "new", "old", "future"]);
    const lives = this.#fleet.lives;
    if (lives.length > 1 && random.chance(0.3)) this.#fleet.freeze(random.pick(lives));
    else if (lives.length > 0 && random.chance(0.2)) await this.#fleet.crash(random.pick(lives));
    this.#stands.clear();
    const end = this.#world.now + 2 * STANDS_MS;
    while (this.#world.now < end) await this.#run(200, true);
    for (const task of this.#standing()) await this.#release(task);
  }

  /** Lets time pass, in which records come to the partitions that get some. */
  async #run(ms: number, withRecords: boolean): Promise<void> {
    const end = this.#world.now + ms;
    if (withRecords) {
      for (const [topic, partition] of this.#active) {
        const spread = this.#random.below(OUT_OF_ORDER_MS);
        const shift = this.#mood === "old" ? -HOUR_MS : this.#mood === "future" && partition === 0 ? HOUR_MS : 0;
        await this.#send(topic, partition, this.#now + shift - spread);
      }
    }
    while (this.#world.now < end) await this.#world.step();
    this.#look();
  }

  get #now(): number {
    return EPOCH_MS + this.#world.now;
  }

  async #send(topic: string, partition: number, time: number): Promise<void> {
    const { log } = this.#shared;
    await add(log, topic, partition, [time], this.#keys[partition]!);
    const { end } = await log.bounds({ topic, partition });
    this.#shared.wake([{ topic, partition, first: end - 1, last: end - 1 }]);
  }

  get #runtime(): Runtime | undefined {
    return this.#awake[0]?.runtime;
  }

  get #awake(): Life[] {
    return this.#fleet.lives.filter(({ runtime, isFrozen, isDead }) => runtime && !isFrozen && !isDead);
  }

  #committed(task: string): Stand | undefined {
    const group = this.#runtime?.topology.groups.find(({ name }) => task.startsWith(`${name}-`));
    if (!group) return undefined;
    const partition = Number(task.slice(group.name.length + 1));
    const standing = this.#shared.audit.standing({ topic: group.changelog, partition });
    if (!standing) return undefined;
    const { watermark, inputs } = standing.checkpoint;
    const offsets = inputs.reduce((sum, { offset }) => sum + offset, 0);
    return { at: this.#world.now, watermark: watermarkFromJson(watermark), offsets };
  }

  get #tasks(): string[] {
    const groups = this.#runtime?.topology.groups ?? [];
    return groups.flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, at) => `${name}-${at}`));
  }

  /** Notes since when, and from which offsets on, each task stands where it stands. */
  #look(): void {
    for (const task of this.#tasks) {
      const now = this.#committed(task);
      const before = this.#stands.get(task);
      if (now && now.watermark !== before?.watermark) this.#stands.set(task, now);
    }
  }

  /** Tasks that stand still though they got records. */
  #standing(): string[] {
    return this.#tasks.filter((task) => {
      const [since, now] = [this.#stands.get(task), this.#committed(task)];
      return since && now && now.at - since.at >= STANDS_MS && now.offsets > since.offsets;
    });
  }

  /** Asks what holds a task, and does what there is to be done, until event time goes on. */
  async #release(task: string): Promise<void> {
    const before = this.#committed(task)!.watermark;
    const goneOn = () => (this.#committed(task)?.watermark ?? -Infinity) > before;
    let last: Explanation | undefined;
    let named = "";
    for (let question = 0; question < QUESTIONS_MAX && !goneOn(); question++) {
      last = await this.#ask();
      const { findings } = last.tasks.find((one) => one.task === task)!;
      if (findings.length === 0) throw new Error(`nobody is named that holds ${task}`);
      // Where something is done about all of them, they must not be named again.
      const names = findings.map(({ cause, task, topic, partition }) => [cause, task, topic, partition].join()).join();
      if (names === named) break;
      named = findings.every(({ cause }) => ACTIONABLE.has(cause)) ? names : "";
      for (const finding of findings) await this.#actOn(finding, before, last);
      for (let ms = 0; ms < GOES_ON_MS && !goneOn(); ms += 200) await this.#run(200, false);
    }
    if (goneOn()) return;
    throw new Error(
      `${task} stays at ${before}, whatever was done about ${
        JSON.stringify(last?.tasks.find((one) => one.task === task), undefined, 1)
      }`,
    );
  }

  /** Asks one process that is awake, which asks the others; those that are frozen do not answer. */
  async #ask(): Promise<Explanation> {
    this.#asked++;
    let explanation: Explanation | undefined;
    while (!explanation) {
      while (this.#awake.length === 0) await this.#run(100, false);
      const life = this.#random.pick(this.#awake);
      const asking = life.runtime!.explain({}, async (addresses) => {
        return new Map(await Promise.all(addresses.map(async (name) => [name, await this.#reportOf(name)] as const)));
      });
      let isSettled = false;
      asking.then((answer) => explanation = this.#tamper(answer)).finally(() => isSettled = true).catch((error) =>
        this.#world.fail(error)
      );
      // It may die while it is asked.
      while (!isSettled && !life.isDead) await this.#run(1, false);
    }
    return explanation;
  }

  async #reportOf(name: string): Promise<OwnReport | string> {
    const life = this.#awake.find((one) => one.name === name);
    if (!life) return "it is frozen or dead";
    const died = new Promise<string>((resolve) => {
      const wait = this.#world.add({
        what: "an answer is waited for no longer",
        place: "log",
        life: undefined,
        at: this.#world.now + 2_500,
        go: () => resolve("it takes too long"),
      });
      void life.runtime!.report().finally(() => this.#world.remove(wait));
    });
    return await Promise.race([life.runtime!.report(), died]);
  }

  async #actOn(finding: Finding, before: number, { tasks }: Explanation): Promise<void> {
    const { cause, task, watermark, instance } = finding;
    this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
    if (cause === "dead") {
      const life = this.#fleet.lives.find(({ name }) => name === instance);
      if (life) life.isFrozen = false;
      return;
    }
    if (!ACTIONABLE.has(cause)) return;
    const reached = Math.max(watermarkFromJson(watermark!), before);
    const time = (reached === -Infinity ? this.#now : reached) + OUT_OF_ORDER_MS + 2_000;
    if (cause !== "idle") return await this.#send(finding.topic!, finding.partition!, time);
    // Whatever begins to speak again is the only one that counts.
    const inputs = tasks.find((one) => one.task === task)!.inputs!.filter(({ isInternal }) => !isInternal);
    const { topic, partition } = inputs[0] ?? { topic: "views", partition: 0 };
    await this.#send(topic, partition, time);
  }
}

/** A key for each partition. */
function keysOf(partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => {
    let key = 0;
    while (partitionFor(`${key}`, partitions) !== partition) key++;
    return `${key}`;
  });
}
