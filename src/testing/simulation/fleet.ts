import type { Notice } from "../../runtime/notice.ts";
import { type RuntimeOptions } from "../../runtime/options.ts";
import { start } from "../../runtime/runtime.ts";
import { Disk } from "./disk.ts";
import { GatedLog, type Shared } from "./gated-log.ts";
import { Life } from "./life.ts";
import type { Random } from "./random.ts";
import type { SimulationOptions } from "./options.ts";
import type { Wait, World } from "./world.ts";

/** A process that is silent for longer is expelled from its group, in ms. */
const SESSION_MS = 4_000;

/** How long a request may be under way after its sender has died, in ms. */
const LATE_MS = 5_000;

/** A machine: its disk, and the process that runs on it, if one does. */
export interface Instance {
  readonly name: string;
  readonly disk: Disk;
  life: Life | undefined;
  lives: number;
}

/** The instances of an app, and what happens to them. */
export class Fleet {
  readonly instances: readonly Instance[];
  /** Nobody is started again any more, and nothing arrives late. */
  isCalm = false;
  readonly #options: SimulationOptions;
  readonly #settings: Partial<RuntimeOptions>;
  readonly #world: World;
  readonly #shared: Shared;
  readonly #late = new Set<Wait>();

  constructor(options: SimulationOptions, settings: Partial<RuntimeOptions>, world: World, shared: Shared) {
    this.#options = options;
    this.#settings = settings;
    this.#world = world;
    this.#shared = shared;
    const watch = shared.audit.wrote;
    this.instances = Array.from({ length: world.random.between(1, 3) }, (_, index) => {
      return { name: "abc"[index]!, disk: new Disk(watch), life: undefined, lives: 0 };
    });
  }

  /** The processes there are. */
  get lives(): Life[] {
    return this.instances.flatMap(({ life }) => life ?? []);
  }

  /** Starts a process on an instance that has none. */
  start(instance: Instance): Life {
    const { app, settings, tamper } = this.#options;
    const life = new Life(`${instance.name}${++instance.lives}`, this.#world, this.#shared.faults, (life) => {
      return this.crash(life);
    });
    instance.life = life;
    this.#world.tell(life.name, "starts");
    const equipment = { log: new GatedLog(life, this.#shared), stores: instance.disk.stores(life), clock: life.clock };
    const options = {
      app,
      address: life.name,
      ...this.#settings,
      ...settings,
      ...equipment,
      ...tamper?.(equipment, life.name),
    };
    const onNotice = ({ message }: Notice) => this.#world.tell(life.name, message);
    start({ ...options, onNotice }).then((runtime) => {
      life.runtime = runtime;
      runtime.ended.catch((error) => this.#exit(life, error));
      life.begun.resolve(runtime);
    }).catch((error) => {
      this.#exit(life, error);
      life.begun.reject(error);
    });
    return life;
  }

  /** Starts a process on an instance after a while, unless all is over then. */
  startLater(instance: Instance, withinMs: number): void {
    const go = () => {
      if (!this.isCalm && !instance.life) this.start(instance);
    };
    this.#later("may start", this.#random.below(withinMs), go);
  }

  /** Kills a process: nothing more happens in it, and its disk may suffer. */
  async crash(life: Life): Promise<void> {
    if (life.isDead) return;
    this.#shared.faults.note("crash");
    this.#world.tell(life.name, "crashes");
    await this.#bury(life);
    const { disk } = this.#of(life);
    const fate = this.#random.next();
    if (fate < 0.1) this.#suffer("disk lost", () => disk.lose());
    else if (fate < 0.2) this.#suffer("disk behind", () => disk.loseNewest(this.#random.between(1, 4)));
    else if (fate < 0.3) this.#suffer("disk damaged", () => disk.damage());
    this.#vacate(life);
  }

  /** Stops a process orderly. Resolves when it has ended. */
  async stop(life: Life): Promise<void> {
    if (!life.runtime) return await this.crash(life);
    await life.runtime.stop().catch((error) => this.#exit(life, error));
    if (life.isDead) return;
    life.isDead = true;
    for (const wait of this.#world.of(life)) this.#world.remove(wait);
    this.#vacate(life);
  }

  /** Stops a process for a while, as when its machine sleeps. */
  freeze(life: Life): void {
    const ms = this.#random.pick([100, 1_000, 10_000, 40_000]);
    this.#world.tell(life.name, `freezes for ${ms} ms`);
    life.isFrozen = true;
    this.#endSession(life, () => life.isFrozen);
    this.#later(`${life.name} wakes up`, ms, () => life.isFrozen = false);
  }

  /** Drops what is still under way from processes that are dead, and wakes up those that sleep. */
  calm(): void {
    this.isCalm = true;
    for (const wait of this.#late) this.#world.remove(wait);
    for (const life of this.lives) life.isFrozen = false;
  }

  get #random(): Random {
    return this.#world.random;
  }

  /** A process ends by itself. */
  #exit(life: Life, error: unknown): void {
    if (life.isDead) return;
    this.#world.tell(life.name, `ends: ${error}`);
    if (life.troubles === 0) return this.#world.fail(error);
    void this.#bury(life).then(() => this.#vacate(life));
  }

  /** What is left of a process: some of its requests, which may arrive long after it. */
  async #bury(life: Life): Promise<void> {
    life.isDead = true;
    for (const wait of this.#world.of(life)) {
      if (wait.place === "log" && wait.what !== "poll" && !this.isCalm && this.#random.chance(0.4)) {
        this.#shared.faults.note("late request");
        wait.life = undefined;
        wait.at = this.#world.now + this.#random.below(LATE_MS);
        this.#late.add(wait);
        continue;
      }
      this.#world.remove(wait);
      if (wait.place === "disk" && this.#random.chance(0.5)) await wait.go();
    }
    for (const handle of life.handles) await handle.close();
  }

  #vacate(life: Life): void {
    const instance = this.#of(life);
    instance.life = undefined;
    this.#endSession(life, () => true);
    this.startLater(instance, 8_000);
  }

  #of(life: Life): Instance {
    return this.instances.find((instance) => instance.life === life)!;
  }

  #endSession(life: Life, isSilent: () => boolean): void {
    const { group, faults } = this.#shared;
    this.#later(`the session of ${life.name} ends`, SESSION_MS, () => {
      if (isSilent() && group.expel(life) && !life.isDead) faults.note("expelled");
    });
  }

  #suffer(fault: "disk lost" | "disk behind" | "disk damaged", change: () => void): void {
    this.#shared.faults.note(fault);
    change();
  }

  #later(what: string, ms: number, go: () => void): void {
    this.#world.add({ what, place: "process", life: undefined, at: this.#world.now + ms, go });
  }
}
