import { ClosedWindows } from "./closed-windows.ts";
import type { Failure } from "./dead-letter.ts";
import { closeWindow, fireTimer, FIRINGS_MAX, stopTimers, updateWindow } from "./folding.ts";
import type { Instance } from "./instance.ts";
import type { LiveActors } from "./live-actors.ts";
import { type Next, nextOf } from "./next.ts";
import type { Publishing } from "./publishing.ts";
import type { Undelivered } from "./undelivered.ts";
import { actAt, type Acting, closeRecords } from "./waiting.ts";

interface OwnWorkOptions {
  readonly actors: LiveActors;
  readonly publisher: Publishing;
  readonly undelivered: Undelivered;
  /** Whether so much waits for a commit that nothing should be added. */
  readonly isFull: () => boolean;
}

/** What actors do by themselves when the watermark says so: windows close, timers fire, records that waited are folded. */
export class OwnWork {
  readonly closedWindows = new ClosedWindows();
  readonly #options: OwnWorkOptions;
  readonly #acting: Acting;
  #repeats: { readonly instance: Instance; readonly due: number; count: number } | undefined;

  constructor(options: OwnWorkOptions) {
    this.#options = options;
    const { publisher, undelivered } = options;
    this.#acting = {
      publisher,
      bury: ({ record, topic, partition, source, attempts = 1 }, failure) =>
        undelivered.bury({ record, from: { topic, partition }, attempts }, { ...failure, source }),
      buryState: (instance, failure) => undelivered.buryState(instance, failure),
      closing: (window) => this.#noteClosing(window),
    };
  }

  /**
   * Does the first thing that is due, in the order (due time, actor, key). "reads" when rows must be read first; undefined when
   * nothing is due.
   */
  doNext(watermark: number): "done" | "reads" | undefined {
    const due = this.#options.actors.takeDue(watermark);
    if (due === undefined || due === "reads") return due;
    if (due.kind === "close") this.#close(due.instance, due.at);
    else if (!this.#actNext(due.instance, watermark, watermark)) this.#options.actors.rearm(due.instance);
    return "done";
  }

  /**
   * Does all that one actor has to do by itself up to a time. Answers whether it is through; if not, a commit is due.
   * @param mayStop whether it may stop for that
   */
  catchUp(instance: Instance, time: number, watermark: number, mayStop: boolean): boolean {
    while (this.#actNext(instance, time, watermark)) if (mayStop && this.#options.isFull()) return false;
    return true;
  }

  /**
   * Does the next thing that an actor has to do by itself, if that is due. Answers whether it was. An early update waits for the
   * watermark in any case.
   */
  #actNext(instance: Instance, time: number, watermark: number): boolean {
    const next = nextOf(instance);
    if (!next || next.due > (next.kind === "update" ? watermark : time)) return false;
    const wasThere = instance.snapshot !== undefined;
    const failure = this.#isRepeating(instance, next.due)
      ? stopTimers(instance)
      : this.#act(instance, next, watermark === Infinity);
    if (failure) this.#options.undelivered.buryState(instance, failure);
    this.#options.actors.noteChange(instance, wasThere);
    return true;
  }

  #act(instance: Instance, next: Next, isLast: boolean): Failure | undefined {
    const { publisher } = this.#options;
    switch (next.kind) {
      case "timer":
        if (isLast) instance.lastFirings++;
        instance.home.timersFired++;
        return fireTimer(instance, next.timer, publisher);
      case "update":
        return updateWindow(instance, publisher);
      case "expiry":
        instance.forget();
        return undefined;
      case "records":
        if (instance.home.definition.window) closeRecords(instance, next.time, this.#acting);
        else actAt(instance, next.time, this.#acting);
        return undefined;
    }
  }

  #isRepeating(instance: Instance, due: number): boolean {
    if (this.#repeats?.instance !== instance || this.#repeats.due !== due) this.#repeats = { instance, due, count: 0 };
    return ++this.#repeats.count > FIRINGS_MAX;
  }

  #close(instance: Instance, at: number): void {
    if (instance.snapshot === undefined) return;
    this.#noteClosing(instance);
    const failure = closeWindow(instance, at, this.#options.publisher);
    if (failure) this.#options.undelivered.buryState(instance, failure);
    instance.forget();
    instance.isClosed = true;
    this.#options.actors.noteChange(instance, true);
  }

  #noteClosing(window: Instance): void {
    window.home.windowsClosed++;
    this.closedWindows.add(window);
  }
}
