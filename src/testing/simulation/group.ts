import type { Assignment, JoinOptions, Membership } from "../../log/log.ts";
import { closed } from "../../log/refusals.ts";
import { type Life, NOT_YET } from "./life.ts";
import type { Wait, World } from "./world.ts";

const NONE: Assignment = { own: new Set(), addresses: new Map() };

/** How long the group waits for others after somebody came or went, and how much later a member may hear of it, in ms. */
const SETTLE_MS = 300;
const HEAR_MS = 2_000;

/**
 * The group of the instances. Members hear at different times of what was agreed on, so that for a while two believe that a
 * task is theirs; one that has been silent for too long is expelled without hearing of it.
 */
export class SimulatedGroup {
  readonly #world: World;
  readonly #members = new Set<Member>();
  #isSettling = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether nobody is in it. */
  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  get now(): number {
    return this.#world.now;
  }

  join(life: Life, options: JoinOptions): Membership {
    const member = new Member(life, options, this);
    this.enter(member);
    return member;
  }

  /** A process has been silent for too long. Whether it was a member. */
  expel(life: Life): boolean {
    const found = [...this.#members].find((member) => member.life === life);
    if (!found) return false;
    this.leave(found);
    found.hear(this.now);
    return true;
  }

  has(member: Member): boolean {
    return this.#members.has(member);
  }

  enter(member: Member): void {
    this.#members.add(member);
    this.#unsettle();
  }

  leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    member.agreed = undefined;
    this.#unsettle();
  }

  #unsettle(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    const at = this.#world.now + this.#world.random.below(SETTLE_MS);
    this.#world.add({ what: "group settles", place: "log", life: undefined, at, go: () => this.#settle() });
  }

  #settle(): void {
    this.#isSettling = false;
    const { now, random } = this.#world;
    const members = [...this.#members];
    const first = members[0];
    if (!first) return;
    const told = members.map(({ life: { name: id }, owned }) => ({ id, owned: [...owned] }));
    const shares = first.options.assign(first.options.tasks, told);
    const addresses = new Map(members.flatMap(({ life: { name }, options: { address } }) => {
      return [...shares.get(name) ?? []].map((task) => [task, address] as const);
    }));
    for (const member of members) {
      member.agreed = { own: new Set(shares.get(member.life.name)), addresses };
      member.hear(random.chance(0.5) ? now : now + random.below(HEAR_MS));
    }
  }
}

class Member implements Membership {
  readonly life: Life;
  readonly options: JoinOptions;
  /** What the group has agreed on; undefined while it has not. */
  agreed: Assignment | undefined;
  current: Assignment | undefined;
  readonly #group: SimulatedGroup;
  readonly #waits = new Set<Wait>();
  #isClosed = false;
  #hearsAt = Infinity;

  constructor(life: Life, options: JoinOptions, group: SimulatedGroup) {
    this.life = life;
    this.options = options;
    this.#group = group;
  }

  get owned(): Iterable<string> {
    return this.current?.own ?? [];
  }

  /** It will hear of news at a time. */
  hear(at: number): void {
    this.#hearsAt = at;
    for (const wait of this.#waits) wait.at = Math.min(wait.at, at);
  }

  next(): Promise<Assignment> {
    return this.life.ask("group", "next", async (wait) => {
      if (this.#isClosed) throw closed("group");
      if (!this.#group.has(this)) {
        this.#group.enter(this);
        if (this.current) return this.current = NONE;
      }
      const isNews = this.agreed !== undefined && this.agreed !== this.current;
      if (isNews && this.#group.now >= this.#hearsAt) return this.current = this.agreed!;
      return this.#later(wait, isNews ? this.#hearsAt : Infinity);
    });
  }

  confirm(): Promise<ReadonlySet<string>> {
    return this.life.ask("group", "confirm", async (wait) => {
      if (this.#isClosed) throw closed("group");
      if (!this.#group.has(this)) this.#group.enter(this);
      return this.agreed ? this.agreed.own : this.#later(wait, Infinity);
    });
  }

  change(): void {
    throw new Error("The simulated group cannot take other tasks");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#group.leave(this);
    this.hear(0);
  }

  #later(wait: Wait, at: number): typeof NOT_YET {
    wait.at = at;
    this.#waits.add(wait);
    return NOT_YET;
  }
}
