/** A log and stores that die: at a chosen call everything stops, before or after it took effect, as in a killed process. */
import type { Log } from "../src/log/log.ts";
import type { Stores } from "../src/store/store.ts";

/** What a dead process throws, and goes on to throw. */
export class Crash extends Error {
  override readonly name = "Crash";
}

interface Handle {
  close(): Promise<void>;
}

/** Counts calls, and dies at one of them. */
export class Life {
  /** Calls so far, and what they were. */
  readonly calls: string[] = [];
  readonly #handles: Handle[] = [];
  #isDead = false;
  readonly #dieAt: number;
  readonly #dieAfter: boolean;

  /** @param dieAt index of the call to die at; Infinity to live  @param dieAfter die after the call took effect instead of before */
  constructor(dieAt = Infinity, dieAfter = false) {
    this.#dieAt = dieAt;
    this.#dieAfter = dieAfter;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Dies at the next call. */
  die(): void {
    this.#isDead = true;
  }

  /** Closes what a killed process would have left to the system. */
  async bury(): Promise<void> {
    for (const handle of this.#handles) await handle.close();
  }

  /** Wraps everything asynchronous that an object does, and that what it makes does. */
  mortal<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const member = Reflect.get(object, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => this.#call(String(name), () => Reflect.apply(member, object, args));
      },
    });
  }

  #call(name: string, call: () => unknown): unknown {
    // Closing is how the test clears up behind a dead process; pausing and resuming write nothing.
    if (name === "close" || name.startsWith("Symbol") || name === "pause" || name === "resume") return call();
    return this.#step(name, call as () => Promise<unknown>);
  }

  async #step(name: string, call: () => Promise<unknown>): Promise<unknown> {
    if (this.#isDead) throw new Crash(`dead before ${name}`);
    const isLast = this.calls.push(name) - 1 === this.#dieAt;
    if (isLast) this.#isDead = true;
    if (isLast && !this.#dieAfter) throw new Crash(`died before ${name}`);
    const result = await call();
    const isHandle = typeof result === "object" && result !== null && ("close" in result || "send" in result);
    if (isHandle && "close" in result) this.#handles.push(result as Handle);
    if (isLast) throw new Crash(`died after ${name}`);
    return isHandle ? this.mortal(result) : result;
  }
}

/** A log and stores that share a life. */
export function mortal(life: Life, log: Log, stores: Stores): { log: Log; stores: Stores } {
  return { log: life.mortal(log), stores: life.mortal(stores) };
}
