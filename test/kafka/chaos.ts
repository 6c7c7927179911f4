/**
 * Chaos: an app in several instances on a real Kafka, to which everything happens that may; and then a judge, who reads
 * with Kafka's own consumer and knows only the input.
 */
import { appendFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Feed } from "./chaos/feed.ts";
import { type FleetOptions, inRepository, Instance } from "./chaos/fleet.ts";
import type { Mutant } from "./chaos/mutants.ts";
import { judge, type Verdict } from "./chaos/oracle.ts";
import { observe, whenQuiet, whenReady, withAdmin } from "./chaos/reading.ts";
import { Site } from "./chaos/site.ts";
import { type Trouble, TROUBLE_NAMES, Troubles } from "./chaos/troubles.ts";
import { randomFrom } from "../random.ts";

const SESSION_MS = 2_500;
const READY_WITHIN_MS = 60_000;
/** How long it may take until all is quiet, and with a safeguard taken out, when it may never be. */
const QUIET_WITHIN_MS = { sound: 90_000, mutant: 12_000 } as const;

/** How a run is made. */
export interface ChaosOptions {
  readonly seed: number;
  /** How long there is trouble. */
  readonly minutes: number;
  /** The runtimes of the instances, each a command with its first arguments, taken in turn. */
  readonly runtimes: readonly (readonly string[])[];
  /** Default: exactly-once. */
  readonly guarantee?: "exactly-once" | "at-least-once";
  /** A safeguard to take out. Default: none. */
  readonly mutant?: Mutant;
  /** Default: 3. */
  readonly instances?: number;
  /** Of each topic. Default: 4. */
  readonly partitions?: number;
  /** Default: 200. */
  readonly recordsPerSecond?: number;
  /** What may happen. Default: everything. */
  readonly troubles?: readonly Trouble[];
  /** Between the beginnings of two troubles, on average. Default: 1500. */
  readonly everyMs?: number;
  /** A broker and its proxy. Default: one that is started for this run. */
  readonly site?: Site;
  /** Where data and what instances say is kept. Default: a temp folder that is removed. */
  readonly directory?: string;
  /** Told how the run goes, each minute. */
  readonly onProgress?: (line: string) => void;
}

/** What was done, and what came of it. */
export interface ChaosReport extends Verdict {
  readonly seed: number;
  readonly mutant: Mutant | undefined;
  readonly seconds: number;
  readonly records: number;
  /** How often each trouble and each fault of a request happened. */
  readonly troubles: Readonly<Record<string, number>>;
  /** Instances that ended by themselves or did not end when they were asked to, and what they said. */
  readonly faults: readonly string[];
}

/** Runs an app through chaos and judges what comes out. */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const directory = options.directory ?? await mkdtemp(join(tmpdir(), "tidemark-chaos-"));
  const site = options.site ?? await Site.open();
  const run = new Run(options, site, directory);
  try {
    return await run.play();
  } finally {
    await run.end();
    if (!options.site) await site.close();
    if (!options.directory) await rm(directory, { recursive: true, force: true });
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #site: Site;
  readonly #directory: string;
  readonly #app: string;
  readonly #instances: readonly Instance[];
  readonly #guest: Instance;
  readonly #faults: string[] = [];
  #feed: Feed | undefined;
  #troubles: Troubles | undefined;

  constructor(options: ChaosOptions, site: Site, directory: string) {
    this.#options = options;
    this.#site = site;
    this.#directory = directory;
    this.#app = `chaos-${options.seed}${options.mutant ? `-${options.mutant.replaceAll(" ", "-")}` : ""}`;
    const fleet: FleetOptions = {
      app: this.#app,
      runtimes: options.runtimes,
      directory,
      args: (data) => this.#args(data),
      env: {
        CHAOS_APP: this.#app,
        NO_COLOR: "1",
        KAFKA_SESSION_TIMEOUT_MS: `${SESSION_MS}`,
        KAFKA_REQUEST_TIMEOUT_MS: "3000",
        KAFKA_TRANSACTION_TIMEOUT_MS: "10000",
      },
    };
    const count = options.instances ?? 3;
    this.#instances = Array.from({ length: count }, (_, index) => new Instance(fleet, index));
    this.#guest = new Instance(fleet, count);
  }

  async play(): Promise<ChaosReport> {
    const { seed, mutant, minutes, partitions = 4, recordsPerSecond = 200 } = this.#options;
    const { broker } = this.#site;
    await this.#createTopics(partitions);
    const feed = this.#feed = new Feed({
      brokers: broker.directBrokers,
      topic: `${this.#app}-events`,
      partitions,
      recordsPerSecond,
      random: randomFrom(seed + 1),
    });
    for (const instance of this.#instances) await this.#start(instance);
    await whenReady(this.#instances, READY_WITHIN_MS);
    const began = performance.now();
    const troubles = this.#troubles = this.#makeTrouble();
    for (let minute = 1; minute <= Math.ceil(minutes); minute++) {
      await sleep(60_000 * Math.min(1, minutes - minute + 1));
      const all = [...troubles.counts.values()].reduce((sum, count) => sum + count, 0);
      this.#options.onProgress?.(
        `${minute} min: ${feed.records} records, ${all} troubles, ${this.#faults.length} unplanned ends`,
      );
    }
    await troubles.end();
    const seconds = Math.round((performance.now() - began) / 1_000);
    await feed.end();
    for (const instance of this.#instances) if (!instance.isRunning) await this.#start(instance);
    const verdict = await this.#judge();
    return {
      ...verdict,
      seed,
      mutant,
      seconds,
      records: feed.records,
      troubles: Object.fromEntries([...troubles.counts].sort()),
      faults: this.#faults,
    };
  }

  /** Ends everything, wherever it is. */
  async end(): Promise<void> {
    this.#feed?.abandon();
    await this.#troubles?.end();
    await Promise.all([...this.#instances, this.#guest].map((instance) => instance.kill()));
  }

  #args(data: string): string[] {
    const { mutant, guarantee = "exactly-once" } = this.#options;
    const brokers = this.#site.proxy.address;
    if (mutant) return [inRepository("test", "kafka", "chaos", "instance.ts"), brokers, data, mutant];
    const app = inRepository("test", "kafka", "chaos", "app.ts");
    const main = inRepository("src", "cli", "main.ts");
    const where = ["--kafka", brokers, "--data", data, "--listen", "127.0.0.1:0"];
    return [main, "run", app, ...where, "--guarantee", guarantee];
  }

  async #createTopics(partitions: number): Promise<void> {
    const topics = ["events", "sums", "counts", "late"].map((name) => ({
      topic: `${this.#app}-${name}`,
      numPartitions: partitions,
      configEntries: [{ name: "retention.ms", value: "-1" }],
    }));
    await withAdmin(this.#site.broker.directBrokers, async (admin) => {
      await admin.createTopics({ topics, waitForLeaders: false });
      const names = topics.map(({ topic }) => topic);
      for (let known: string[] = []; names.some((name) => !known.includes(name)); known = await admin.listTopics());
    });
  }

  #makeTrouble(): Troubles {
    const { seed, troubles = TROUBLE_NAMES, everyMs = 1_500 } = this.#options;
    return new Troubles({
      seed,
      site: this.#site,
      instances: this.#instances,
      guest: this.#guest,
      sessionMs: SESSION_MS,
      kinds: troubles,
      everyMs,
      start: (instance) => this.#start(instance),
      onTrouble: (trouble) => this.#note(trouble),
      onFault: (fault) => this.#fault(fault),
    });
  }

  /** Starts an instance, and again, as a supervisor would, whenever it ends by itself. */
  async #start(instance: Instance): Promise<void> {
    await instance.start(async (how) => {
      if (!instance.isWanted) return;
      const said = (await instance.output()).trimEnd().split("\n").slice(-3).join("\n");
      this.#fault(`${instance.name} ended by itself, ${how}: ${said}`);
      await sleep(300);
      if (instance.isWanted && !instance.isRunning) await this.#start(instance);
    });
  }

  #fault(fault: string): void {
    this.#faults.push(fault);
    this.#note(fault);
  }

  /** Writes down what happened when, for those who look for a cause. */
  #note(what: string): void {
    appendFileSync(join(this.#directory, "timeline.log"), `${new Date().toISOString()} ${what}\n`);
  }

  async #judge(): Promise<Verdict> {
    const { guarantee = "exactly-once", mutant } = this.#options;
    const { directBrokers } = this.#site.broker;
    const withinMs = QUIET_WITHIN_MS[mutant ? "mutant" : "sound"];
    const unrest = await whenQuiet(directBrokers, this.#app, this.#instances, withinMs);
    const observed = await observe(directBrokers, this.#app, this.#instances);
    const verdict = judge(observed, guarantee === "exactly-once");
    return { ...verdict, violations: [...unrest ? [unrest] : [], ...verdict.violations] };
  }
}
