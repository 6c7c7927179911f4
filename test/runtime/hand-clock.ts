/** Time that a test moves by hand, for a runtime on a log in memory. */
import type { Log, Reader } from "../../src/log/log.ts";
import type { Clock } from "../../src/runtime/clock.ts";

interface Sleeper {
  readonly ms: number;
  readonly until: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  /** Every pause that was asked for, in ms. */
  readonly pauses: number[] = [];
  readonly #sleepers = new Set<Sleeper>();
  readonly #polls = new Set<() => void>();
  #time = 0;

  now(): number {
    return 1_000_000_000_000 + this.#time;
  }

  monotonic(): number {
    return this.#time;
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    this.pauses.push(ms);
    return this.#sleep(ms, signal);
  }

  /** Lets time pass, and what was waiting for it happen. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#sleepers].filter(({ until }) => until <= end).sort((a, b) => a.until - b.until);
      if (!next) break;
      this.#time = Math.max(this.#time, next.until);
      next.wake();
    }
    this.#time = end;
    await settled();
  }

  /** The log, whose polls wait by this clock, and see at once what is appended. */
  log(log: Log): Log {
    return new Proxy(log, {
      get: (target, name) => {
        const member = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name === "reader") {
          return async (...from: Parameters<Log["reader"]>) => this.#reader(await log.reader(...from));
        }
        if (name !== "append") return member.bind(target);
        return async (...given: Parameters<Log["append"]>) => {
          const ack = await log.append(...given);
          for (const wake of this.#polls) wake();
          return ack;
        };
      },
    });
  }

  #reader(reader: Reader): Reader {
    const poll: Reader["poll"] = async (options) => {
      const now = await reader.poll({ ...options, waitMs: 0 });
      if (now.length > 0 || options.waitMs === 0) return now;
      const woken = new AbortController();
      const wake = () => woken.abort();
      this.#polls.add(wake);
      await this.#sleep(options.waitMs, AbortSignal.any([woken.signal, ...(options.signal ? [options.signal] : [])]));
      this.#polls.delete(wake);
      return await reader.poll({ ...options, waitMs: 0 });
    };
    return new Proxy(reader, {
      get: (target, name) => {
        if (name === "poll") return poll;
        const member = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper = { ms, until: this.#time + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }
}

/** Lets everything happen that waits for nothing but its turn: a log in memory and its stores need no more than a few. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}
