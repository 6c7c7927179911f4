import { randomFrom } from "../../random.ts";
import { versionsOf } from "./error-answer.ts";
import { type Fault, nameOf } from "./fault.ts";
import { type Api, API_KEYS, type Request } from "./request.ts";

/** Which requests a rule is for. */
export interface Match {
  readonly api: Api;
  /** The first of the matching requests to hit, counted from now. Default: 1, the next one. */
  readonly nth?: number;
  /** How many matching requests in a row to hit; may be Infinity. Default: 1. */
  readonly times?: number;
  /** Only requests of clients whose id is this, or fits this. Default: all. */
  readonly clientId?: string | RegExp;
}

/** A fault that a request has drawn. */
export interface Due {
  readonly fault: Fault;
  /** To be called when it has happened. */
  happened(): void;
}

/** Gives faults to requests. */
export interface Giver {
  /** Sees a request. Each giver sees them all. */
  see(request: Request): void;
  /** The fault for the request just seen, if no other giver had one. */
  give(request: Request): Due | undefined;
}

function fits(clientId: string | RegExp | undefined, request: Request): boolean {
  if (clientId === undefined) return true;
  return typeof clientId === "string" ? clientId === request.clientId : request.clientId.search(clientId) >= 0;
}

function assertCanAnswer(api: Api, fault: Fault): void {
  if ("code" in fault && versionsOf(api) === undefined) throw new Error(`The proxy knows no error answer of ${api}`);
}

/** One fault for certain requests. */
export class Rule implements Giver {
  /** Resolves when the fault has happened for the first time. Rejects if the proxy is closed before. */
  readonly hit: Promise<void>;
  readonly #match: Match;
  readonly #fault: Fault;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  #hits = 0;
  #seen = 0;
  #left: number;

  constructor(match: Match, fault: Fault) {
    assertCanAnswer(match.api, fault);
    this.#match = match;
    this.#fault = fault;
    this.#left = match.times ?? 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // nobody has to wait for it
    this.hit = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** How often the fault has happened. */
  get hits(): number {
    return this.#hits;
  }

  /** Hits no more requests. */
  cancel(): void {
    this.#left = 0;
  }

  /** No request will come any more. */
  end(): void {
    this.cancel();
    this.#reject(new Error(`The proxy was closed before ${nameOf(this.#fault)} happened to ${this.#match.api}`));
  }

  see(request: Request): void {
    if (this.#isFor(request)) this.#seen += 1;
  }

  give(request: Request): Due | undefined {
    if (this.#left === 0 || this.#seen < (this.#match.nth ?? 1) || !this.#isFor(request)) return undefined;
    this.#left -= 1;
    return { fault: this.#fault, happened: () => this.#happened() };
  }

  #isFor(request: Request): boolean {
    return request.api === this.#match.api && fits(this.#match.clientId, request);
  }

  #happened(): void {
    this.#hits += 1;
    this.#resolve();
  }
}

/** What chaos does, and to what. */
export interface ChaosOptions {
  readonly seed: number;
  /** Chance of a request to draw a fault, from 0 to 1. */
  readonly probability: number;
  readonly apis: readonly Api[];
  /** The faults to draw from, all equally likely. */
  readonly faults: readonly Fault[];
  /** Only requests of clients whose id is this, or fits this. Default: all. */
  readonly clientId?: string | RegExp;
}

/**
 * Random faults. What the n-th request of an api draws follows from the seed alone, whatever other requests come between.
 */
export class Chaos implements Giver {
  readonly #counts = new Map<string, number>();
  readonly #options: ChaosOptions;
  readonly #randoms: ReadonlyMap<Api, () => number>;
  #isOn = true;
  #drawn: Fault | undefined;

  constructor(options: ChaosOptions) {
    for (const api of options.apis) for (const fault of options.faults) assertCanAnswer(api, fault);
    this.#options = options;
    this.#randoms = new Map(options.apis.map((api) => [api, randomFrom(options.seed * 1000 + API_KEYS[api])]));
  }

  /** What has happened so far, by api and fault: `EndTxn answerInstead(51)`. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Draws no more faults. */
  stop(): void {
    this.#isOn = false;
  }

  get isOver(): boolean {
    return !this.#isOn;
  }

  see(request: Request): void {
    this.#drawn = undefined;
    const { probability, faults, clientId } = this.#options;
    const random = request.api && this.#randoms.get(request.api);
    if (random === undefined || !this.#isOn || !fits(clientId, request)) return;
    const isHit = random() < probability;
    const index = Math.floor(random() * faults.length);
    if (isHit) this.#drawn = faults[index];
  }

  give(request: Request): Due | undefined {
    const fault = this.#drawn;
    if (fault === undefined) return undefined;
    const name = `${request.api} ${nameOf(fault)}`;
    return { fault, happened: () => this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1) };
  }
}
