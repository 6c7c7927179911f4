import type { AnyActorScope, ExecutableActionObject } from "xstate";
import { type Address, isAddress } from "./address.ts";
import { delayBounds, wholeDelay } from "./delay.ts";
import { TidemarkError } from "./errors.ts";
import { type Effect, type Emitted, type Event, isReserved, type Snapshot } from "./fold.ts";
import { effectRefusal } from "./refusals.ts";

/** What a raise, sendTo or cancel came to when it was resolved. */
interface Resolved {
  readonly event: unknown;
  readonly id?: unknown;
  readonly delay?: unknown;
  readonly to?: unknown;
  readonly sendId?: unknown;
}

/**
 * What XState hands to the actions of a fold in place of a live actor. One scope serves all folds of one logic, one after
 * the other. Effects are collected, everything that only a live actor can do throws TIDEMARK_MACHINE_UNSUPPORTED.
 */
export class FoldScope implements AnyActorScope {
  readonly self: AnyActorScope["self"];
  readonly system: AnyActorScope["system"];
  /** Replaced by XState during each step, and put back. */
  actionExecutor: AnyActorScope["actionExecutor"];
  readonly #actor: string;
  #key = "";
  #effects: Effect[] | undefined;

  constructor(actor: string) {
    this.#actor = actor;
    const refuse = (what: string): never => this.#refuse(what);
    // deno-lint-ignore no-this-alias
    const scope = this;
    this.system = stub("system", refuse, {
      _sendInspectionEvent() {},
      _bookId: () => this.refuseChild(),
    }) as unknown as AnyActorScope["system"];
    this.self = stub("self", refuse, {
      get id() {
        return scope.#key;
      },
      system: this.system,
      _parent: undefined,
    }) as unknown as AnyActorScope["self"];
    this.actionExecutor = (action) => this.#execute(action);
  }

  /** The key of the actor that is being folded. */
  get id(): string {
    return this.#key;
  }

  get sessionId(): string {
    return this.#key;
  }

  /** Runs one fold, `step(a, b)` rather than a closure. Its effects are added to `effects`, unless it throws. */
  run<A, B>(key: string, effects: Effect[], step: (a: A, b: B) => Snapshot, a: A, b: B): Snapshot {
    const before = effects.length;
    this.#key = key;
    this.#effects = effects;
    try {
      return step(a, b);
    } catch (error) {
      effects.length = before;
      throw error;
    } finally {
      this.#effects = undefined;
    }
  }

  readonly emit = (event: { readonly type: string }): void => {
    if (this.#effects === undefined) this.#refuse("emits after its fold has ended; emit before the reducer returns");
    if (!isEvent(event)) {
      this.#fail(`emits ${kindOf(event)} without a text "type"; emit an event`);
    }
    this.#effects.push({ kind: "emit", event: event as Emitted });
  };

  /** What spawning comes to. */
  readonly refuseChild = (): never =>
    this.#refuse("spawns a child actor; let another actor do its work and send it events");

  readonly logger = (): void => {};

  readonly defer = (): void => this.#refuse("defers a function; emit an event instead");

  readonly stopChild = (): void => this.#refuse("stops a child actor, and has none");

  #execute(action: ExecutableActionObject): void {
    const params = action.params as Resolved;
    switch (action.type) {
      case "xstate.emit":
        return this.emit(params.event as Event);
      case "xstate.raise":
        return this.#raise(params);
      case "xstate.sendTo":
        return this.#send(params);
      case "xstate.cancel":
        this.#effects!.push({ kind: "cancel", id: String(params.sendId) });
        return;
    }
    const refusal = effectRefusal(action.type, params);
    if (refusal !== undefined) this.#refuse(refusal);
  }

  /** Without a delay XState has folded the event itself. */
  #raise(params: Resolved): void {
    if (params.delay !== undefined || isAfter(params)) this.#schedule(params, undefined);
  }

  #send(params: Resolved): void {
    const { to, event, delay } = params;
    if (to !== this.self && !isAddress(to)) {
      this.#refuse(`sends to ${kindOf(to)}, neither itself nor an address; use sendTo(address(actor, key), event)`);
    }
    const address = to === this.self ? undefined : to as Address;
    if (delay !== undefined) return this.#schedule(params, address);
    this.#effects!.push({ kind: "send", event: this.#checkedEvent(event), ...(address && { to: address }) });
  }

  #schedule(params: Resolved, to: Address | undefined): void {
    const { id, delay, event } = params;
    if (typeof id !== "string") this.#refuse("delays an event that has no id; give it one, as text");
    const delayMs = wholeDelay(delay);
    if (delayMs === undefined) {
      this.#fail(`delays "${id}" by ${typeof delay === "number" ? delay : kindOf(delay)}; give ${delayBounds}`);
    }
    const isOwn = isAfter(params);
    if (!isOwn && isReserved(id)) {
      this.#refuse(`delays an event by the id "${id}"; choose one that is not empty and does not begin with "xstate."`);
    }
    const checked = isOwn ? event as Event : this.#checkedEvent(event);
    this.#effects!.push({ kind: "schedule", id, delayMs, event: checked, ...(to && { to }) });
  }

  #checkedEvent(event: unknown): Event {
    if (!isEvent(event)) this.#fail(`sends ${kindOf(event)} without a text "type"; send an event`);
    if (!isReserved(event.type)) return event;
    this.#fail(`sends the event type "${event.type}"; choose one that is not empty and does not begin with "xstate."`);
  }

  #refuse(what: string): never {
    throw new TidemarkError("TIDEMARK_MACHINE_UNSUPPORTED", `Actor "${this.#actor}" ${what}`);
  }

  #fail(what: string): never {
    throw new TidemarkError("TIDEMARK_FOLD_FAILED", `Actor "${this.#actor}" ${what}`);
  }
}

function isEvent(value: unknown): value is Event {
  return typeof (value as Partial<Event> | null | undefined)?.type === "string";
}

/** Whether it is the timer that XState makes of an `after`. */
function isAfter({ id, event }: Resolved): boolean {
  return typeof id === "string" && id.startsWith("xstate.after.") && isEvent(event) && event.type === id;
}

function kindOf(value: unknown): string {
  return value === null || value === undefined ? String(value) : `a value of type ${typeof value}`;
}

/** Has the given members; every other one throws when it is read. */
function stub(name: string, refuse: (what: string) => never, members: object): object {
  const rest = new Proxy({}, {
    get: (_, member) =>
      typeof member === "symbol"
        ? undefined
        : refuse(`uses "${name}.${member}", which only a live actor has; use context, event and emit`),
  });
  return Object.setPrototypeOf(members, rest);
}
