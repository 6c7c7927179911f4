import type { AnyActorScope, ExecutableActionObject } from "xstate";
import { TidemarkError } from "./errors.ts";
import type { Emitted, Snapshot } from "./fold.ts";
import { effectRefusal } from "./refusals.ts";

/**
 * What XState hands to the actions of a fold in place of a live actor. One scope serves all folds of one logic, one after
 * the other. Emitted events are collected, everything that only a live actor can do throws TIDEMARK_MACHINE_UNSUPPORTED.
 */
export class FoldScope implements AnyActorScope {
  readonly self: AnyActorScope["self"];
  readonly system: AnyActorScope["system"];
  /** Replaced by XState during each step, and put back. */
  actionExecutor: AnyActorScope["actionExecutor"];
  readonly #actor: string;
  #key = "";
  #emitted: Emitted[] | undefined;

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

  /** Runs one fold, `step(a, b)` rather than a closure. What it emits is added to `emitted`, unless it throws. */
  run<A, B>(key: string, emitted: Emitted[], step: (a: A, b: B) => Snapshot, a: A, b: B): Snapshot {
    const before = emitted.length;
    this.#key = key;
    this.#emitted = emitted;
    try {
      return step(a, b);
    } catch (error) {
      emitted.length = before;
      throw error;
    } finally {
      this.#emitted = undefined;
    }
  }

  readonly emit = (event: { readonly type: string }): void => {
    if (this.#emitted === undefined) this.#refuse("emits after its fold has ended; emit before the reducer returns");
    if (typeof event?.type !== "string") {
      throw new TidemarkError(
        "TIDEMARK_FOLD_FAILED",
        `Actor "${this.#actor}" emits ${event === null ? "null" : typeof event} without a text "type"; emit an event`,
      );
    }
    this.#emitted.push(event);
  };

  /** What spawning comes to. */
  readonly refuseChild = (): never =>
    this.#refuse("spawns a child actor; let another actor do its work and send it events");

  readonly logger = (): void => {};

  readonly defer = (): void => this.#refuse("defers a function; emit an event instead");

  readonly stopChild = (): void => this.#refuse("stops a child actor, and has none");

  #execute(action: ExecutableActionObject): void {
    const params = action.params as { readonly event: Emitted; readonly delay?: unknown };
    if (action.type === "xstate.emit") return this.emit(params.event);
    const refusal = effectRefusal(action.type, params);
    if (refusal !== undefined) this.#refuse(refusal);
  }

  #refuse(what: string): never {
    throw new TidemarkError("TIDEMARK_MACHINE_UNSUPPORTED", `Actor "${this.#actor}" ${what}`);
  }
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
