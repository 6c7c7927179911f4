import { memoryLog } from "../../log/memory/log.ts";
import { Audit } from "./audit.ts";
import { Faults } from "./faults.ts";
import { Fleet, type Instance } from "./fleet.ts";
import { Shared } from "./gated-log.ts";
import { SimulatedGroup } from "./group.ts";
import type { Life } from "./life.ts";
import { Random } from "./random.ts";
import { checkEnd, resultsOf } from "./results.ts";
import type { SimulatedRecord, SimulationOptions, SimulationReport } from "./options.ts";
import { Trace } from "./trace.ts";
import { World } from "./world.ts";

const HOUR_MS = 3_600_000;

/** How far apart records come at most where they come slowly, in ms. */
const SLOW_MS = 3_000;

/** One run of a simulation. */
export class Run {
  readonly #options: SimulationOptions;
  readonly #seed: number;
  readonly #trace: Trace;
  readonly #random: Random;
  readonly #world: World;
  readonly #shared: Shared;
  readonly #fleet: Fleet;
  readonly #inputs: readonly SimulatedRecord[];
  /** Partitions that have not had all of their records. */
  #arriving = 0;

  constructor(options: SimulationOptions, seed: number, keepsLines: boolean) {
    this.#options = options;
    this.#seed = seed;
    this.#trace = new Trace(keepsLines);
    const random = this.#random = new Random(seed);
    this.#inputs = options.inputs(random.fork());
    const world = this.#world = new World(random.fork(), this.#trace);
    const faults = new Faults(random.fork(), options.faults === false);
    const log = memoryLog({ markers: random.chance(0.5), cleanAfterRecords: random.pick([3, 20, 10_000]) });
    const group = new SimulatedGroup(world);
    this.#shared = new Shared(log, group, new Audit(options.app["~app"]), faults, () => world.now);
    const settings = {
      commitIntervalMs: random.pick([0, 5, 100, 1_000]),
      commitBytes: random.pick([1_024, 1_048_576]),
      pollBytes: random.pick([1_024, 131_072]),
      cacheEntries: random.pick([2, 10, 100_000]),
    };
    this.#fleet = new Fleet(options, settings, world, this.#shared);
  }

  get lines(): readonly string[] {
    return this.#trace.lines;
  }

  report(): SimulationReport {
    const { steps, now } = this.#world;
    const { audit: { commits }, faults: { counts } } = this.#shared;
    return {
      seed: this.#seed,
      hash: this.#trace.hash,
      steps,
      virtualMs: now,
      commits,
      faults: counts,
      lines: this.lines,
    };
  }

  /** Lets everything happen, then checks what came of it. */
  async toEnd(): Promise<void> {
    const { app, topics, check } = this.#options;
    const { log, audit } = this.#shared;
    await log.createTopics(Object.entries(topics).map(([name, partitions]) => ({ name, partitions })));
    for (const instance of this.#fleet.instances) this.#fleet.startLater(instance, 2_000);
    await this.#deal();
    const atLeast = this.#random.pick([0, 200, 600]);
    while (this.#arriving > 0 || this.#world.steps < atLeast) {
      this.#strike();
      await this.#world.step();
    }
    const { disk } = await this.#finish();
    await checkEnd(app["~app"], log, disk, audit);
    check?.(await resultsOf(app["~app"], log, disk), this.#inputs);
  }

  /** Begins to put the records into their partitions. */
  async #deal(): Promise<void> {
    const queues = Map.groupBy(this.#inputs, ({ topic, partition }) => `${topic}/${partition}`);
    if (this.#options.arrival === "before") {
      for (const queue of queues.values()) await this.#shared.log.append(queue[0]!.topic, queue[0]!.partition, queue);
      return;
    }
    const isSlow = this.#options.arrival === "slow";
    const gapMs = isSlow ? SLOW_MS : this.#random.pick([0, 50, 1_000]);
    const most = isSlow ? 3 : this.#random.pick([2, 10, Infinity]);
    for (const [name, queue] of queues) {
      this.#arriving++;
      this.#arrive(name, queue, 0, { gapMs, most });
    }
  }

  #arrive(name: string, queue: readonly SimulatedRecord[], from: number, how: { gapMs: number; most: number }): void {
    const { random, now } = this.#world;
    const go = async () => {
      const portion = queue.slice(from, how.most === Infinity ? undefined : from + random.between(1, how.most));
      this.#shared.wake([await this.#shared.log.append(portion[0]!.topic, portion[0]!.partition, portion)]);
      const next = from + portion.length;
      if (next < queue.length) this.#arrive(name, queue, next, how);
      else this.#arriving--;
    };
    const at = now + (how.gapMs === 0 ? 0 : random.below(how.gapMs));
    this.#world.add({ what: `records come into ${name}`, place: "log", life: undefined, at, go });
  }

  /** Something may befall one of the processes. */
  #strike(): void {
    const { faults } = this.#shared;
    const strike = faults.strikes();
    if (!strike) return;
    const lives = this.#fleet.lives.filter(({ isFrozen }) => !isFrozen);
    if (lives.length === 0) return;
    const life = this.#random.pick(lives);
    faults.note(strike);
    if (strike === "freeze") this.#fleet.freeze(life);
    else if (strike === "leave") this.#leave(life);
    else life.wallOffMs += this.#random.between(-2 * HOUR_MS, 2 * HOUR_MS);
  }

  #leave(life: Life): void {
    this.#world.tell(life.name, "leaves");
    this.#fleet.stop(life).catch((error) => this.#world.fail(error));
  }

  /** All faults stop, and the work is brought to its end. Answers with the instance that did so. */
  async #finish(): Promise<Instance> {
    const { faults, audit } = this.#shared;
    const random = this.#random;
    this.#world.tell(undefined, "all is calm");
    faults.areOver = true;
    audit.hasEnded = true;
    this.#fleet.calm();
    if (random.chance(0.4)) await this.#finishTogether();
    for (const life of this.#fleet.lives) {
      if (random.chance(0.5)) this.#leave(life);
      else await this.#fleet.crash(life);
    }
    await this.#emptied();
    for (let crashes = random.pick([0, 0, 1, 2]); crashes > 0; crashes--) {
      const life = this.#fleet.start(random.pick(this.#fleet.instances));
      const isDone = this.#conclude(life);
      for (let steps = random.below(300); steps > 0 && !isDone(); steps--) await this.#world.step();
      await this.#fleet.crash(life);
      await this.#emptied();
    }
    const last = random.pick(this.#fleet.instances);
    await this.#until(this.#conclude(this.#fleet.start(last)));
    return last;
  }

  /** Every instance takes part in the end. */
  async #finishTogether(): Promise<void> {
    for (const instance of this.#fleet.instances) if (!instance.life) this.#fleet.start(instance);
    const all = this.#fleet.lives.map((life) => this.#conclude(life));
    await this.#until(() => all.every((isDone) => isDone()));
  }

  /** Lets a process finish its work and end. Answers with whether it has. */
  #conclude(life: Life): () => boolean {
    let isDone = false;
    const conclude = async () => {
      const runtime = await life.begun.promise;
      await runtime.finish();
      await this.#fleet.stop(life);
      isDone = true;
    };
    conclude().catch((error) => {
      if (life.troubles === 0) this.#world.fail(error);
      else isDone = true;
    });
    return () => isDone || life.isDead;
  }

  /** Waits until the group has forgotten the last process: who finishes then has all tasks. */
  async #emptied(): Promise<void> {
    await this.#until(() => this.#fleet.lives.length === 0 && this.#shared.group.isEmpty);
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.#world.step();
  }
}
