/** The troubles of a chaos run, drawn from its seed. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { randomFrom } from "../../random.ts";
import type { Instance } from "./fleet.ts";
import type { Site } from "./site.ts";

/** What can happen, and how likely each is beside the others. */
const TROUBLES = {
  kill: 5,
  freeze: 3,
  banish: 3,
  stop: 3,
  join: 2,
  disturb: 5,
  loseEnds: 2,
  stall: 1,
  refuse: 1,
  broker: 1,
} as const;

const FOR_SITE: readonly Trouble[] = ["disturb", "loseEnds", "stall", "refuse", "broker"];

/** One kind of trouble. */
export type Trouble = keyof typeof TROUBLES;

/** The names of all kinds. */
export const TROUBLE_NAMES = Object.keys(TROUBLES) as readonly Trouble[];

/** What makes trouble, and for whom. */
export interface TroubleOptions {
  readonly seed: number;
  readonly site: Site;
  readonly instances: readonly Instance[];
  /** An instance that joins only now and then. */
  readonly guest: Instance;
  readonly sessionMs: number;
  readonly kinds: readonly Trouble[];
  /** Between the beginnings of two troubles, on average. */
  readonly everyMs: number;
  /** Starts an instance, and again whenever it ends by itself. */
  readonly start: (instance: Instance) => Promise<void>;
  /** Told of each trouble as it begins and ends. */
  readonly onTrouble: (trouble: string) => void;
  /** Told of what should not be. */
  readonly onFault: (fault: string) => void;
}

/** Makes trouble until it is told to stop. */
export class Troubles {
  readonly counts = new Map<string, number>();
  readonly #options: TroubleOptions;
  readonly #random: () => number;
  readonly #busy = new Set<Instance | Site>();
  readonly #running = new Set<Promise<void>>();
  readonly #done: Promise<void>;
  readonly #end = new AbortController();
  #disturbances = 0;

  constructor(options: TroubleOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#done = this.#run();
  }

  /** Begins nothing more, and waits until what has begun is over. */
  async end(): Promise<void> {
    this.#end.abort();
    await this.#done;
    await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#wait(this.#options.everyMs * 2 * this.#random());
      if (this.#end.signal.aborted) return;
      const trouble = this.#make(this.#draw()).catch((error) => this.#options.onFault(String(error?.stack ?? error)));
      this.#running.add(trouble);
      void trouble.then(() => this.#running.delete(trouble));
    }
  }

  #draw(): Trouble {
    const { kinds } = this.#options;
    let left = this.#random() * kinds.reduce((sum, kind) => sum + TROUBLES[kind], 0);
    return kinds.find((kind) => (left -= TROUBLES[kind]) < 0)!;
  }

  async #make(kind: Trouble): Promise<void> {
    const { site, instances, guest } = this.#options;
    // The draws are made in any case, so that what comes later does not depend on who is busy.
    const [choice, first, second] = [this.#random(), this.#random(), this.#random()];
    const victim = FOR_SITE.includes(kind)
      ? site
      : kind === "join"
      ? guest
      : instances[Math.floor(choice * instances.length)]!;
    if (this.#busy.has(victim)) return;
    this.#busy.add(victim);
    const name = "proxy" in victim ? kind : `${kind} ${victim.name}`;
    this.#options.onTrouble(`${name} begins`);
    try {
      if ("proxy" in victim) await this.#disturbSite(kind, first, second);
      else await this.#disturbInstance(kind, victim, first, second);
    } finally {
      this.#busy.delete(victim);
      this.#options.onTrouble(`${name} ends`);
    }
  }

  async #disturbInstance(kind: Trouble, instance: Instance, first: number, second: number): Promise<void> {
    const { start, sessionMs } = this.#options;
    switch (kind) {
      case "kill":
        this.#count("kill -9");
        await instance.kill();
        await this.#wait(first * 1_500);
        await this.#harm(instance, second);
        return await start(instance);
      case "freeze":
        if (!instance.isRunning) return;
        this.#count("freeze");
        instance.freeze();
        await this.#wait(sessionMs * (1.3 + first));
        return instance.thaw();
      case "banish":
        this.#count("not heard by the group");
        this.#countAll(await this.#options.site.banish(this.#seed(), instance.clientId, sessionMs * (1.5 + first)));
        return;
      case "stop":
        this.#count("planned restart");
        this.#judgeStop(instance, await instance.stop());
        await this.#wait(first * 500);
        return await start(instance);
      case "join":
        this.#count("instance added");
        await start(instance);
        await this.#wait(2_000 + first * 6_000);
        if (second < 0.5) await instance.kill();
        else this.#judgeStop(instance, await instance.stop());
        if (second < 0.25) await instance.forget();
    }
  }

  async #disturbSite(kind: Trouble, first: number, second: number): Promise<void> {
    const { site } = this.#options;
    const { broker, proxy } = site;
    switch (kind) {
      case "disturb":
        return this.#countAll(await site.disturb(this.#seed(), 0.005 + 0.045 * first * first, 1_500 + second * 5_000));
      case "loseEnds":
        return this.#countAll(await site.loseEnds(this.#seed(), 1_000 + first * 2_000));
      case "stall":
        this.#count("network stalled");
        proxy.stall();
        await this.#wait(500 + first * 4_000);
        return proxy.resume();
      case "refuse":
        this.#count("network refused");
        await proxy.refuse();
        await this.#wait(500 + first * 3_000);
        return await proxy.accept();
      case "broker":
        this.#count(first < 0.6 ? "broker killed" : "broker restarted");
        if (first < 0.6) await broker.kill();
        else await broker.stop();
        await this.#wait(second * 2_000);
        await broker.restart();
    }
  }

  /** A seed for the proxy, each time another. */
  #seed(): number {
    return this.#options.seed * 1_000 + this.#disturbances++;
  }

  /** What a disk may lose while nobody looks. */
  async #harm(instance: Instance, choice: number): Promise<void> {
    if (choice < 0.6) return;
    const folders = (await readdir(instance.stores).catch(() => [])).sort();
    if (folders.length === 0) return;
    this.#count(choice < 0.8 ? "store deleted" : "all stores deleted");
    const doomed = choice < 0.8 ? [folders[Math.floor((choice - 0.6) / 0.2 * folders.length)]!] : folders;
    for (const folder of doomed) await rm(join(instance.stores, folder), { recursive: true, force: true });
  }

  #judgeStop({ name }: Instance, how: string): void {
    if (how !== "exit code 0" && how !== "it was down") this.#options.onFault(`${name} was asked to stop: ${how}`);
  }

  #countAll(faults: ReadonlyMap<string, number>): void {
    for (const [fault, times] of faults) this.#count(fault, times);
  }

  #count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#end.signal }).catch(() => {});
  }
}
