/** Answers that go on for as long as their client wants them. */

import { TidemarkError } from "../core/errors.ts";
import { COMMON_HEADERS } from "./answer.ts";

/** How many streams there are, and how they show that they live. */
export interface StreamLimits {
  /** Open at the same time, from 1; one more is refused. Default 100. */
  readonly streams?: number;
  /** How often a stream without news says that it is there, in ms, from 1. Default 15,000. */
  readonly heartbeatMs?: number;
}

/** The streams that are open. */
export class Streams {
  readonly heartbeatMs: number;
  readonly #limit: number;
  #open = 0;

  /** @throws TIDEMARK_OPTION_INVALID */
  constructor({ streams = 100, heartbeatMs = 15_000 }: StreamLimits) {
    for (const [name, value] of Object.entries({ streams, heartbeatMs })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as ${name}: give a whole number from 1`);
    }
    this.#limit = streams;
    this.heartbeatMs = heartbeatMs;
  }

  /** Takes a place; what comes back gives it up, once. @throws TIDEMARK_BUSY */
  enter(): () => void {
    if (this.#open >= this.#limit) {
      throw new TidemarkError(
        "TIDEMARK_BUSY",
        `Cannot open a stream: ${this.#limit} are open, and that is all there may be; try again soon`,
        { retry: true },
      );
    }
    this.#open++;
    let isIn = true;
    return () => {
      if (isIn) this.#open--;
      isIn = false;
    };
  }
}

/** An answer of server-sent events, made only as fast as they are taken. `leave` is called when it is over, however. */
export function eventStream(events: AsyncGenerator<string>, leave: () => void): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await events.next().catch(() => ({ done: true, value: undefined } as const));
      if (!done) return controller.enqueue(encoder.encode(value));
      leave();
      controller.close();
    },
    cancel() {
      leave();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { ...COMMON_HEADERS, "content-type": "text/event-stream" } });
}

/** The same answer until a signal is aborted; `leave` is called when its body is over, however. */
export function watched(response: Response, leave: () => void, over: AbortSignal): Response {
  const reader = response.body?.getReader();
  over.addEventListener("abort", () => void reader?.cancel().catch(() => {}), { once: true });
  if (!reader) {
    leave();
    return response;
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined } as const));
      if (!done) return controller.enqueue(value);
      leave();
      controller.close();
    },
    cancel() {
      leave();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
}
