/** One actor's changes, as server-sent events (HTML Living Standard, 9.2). */

import type { Follower } from "../runtime/follower.ts";
import { checkKey, keyAnswer } from "./actors.ts";
import { answerElsewhere } from "./elsewhere.ts";
import type { Call } from "./route.ts";
import { eventStream, watched } from "./streams.ts";

/** How soon a client that was cut off comes back, in ms. */
const RETRY_MS = 1_000;

/** What a stream is made for. */
interface Subject {
  readonly call: Call;
  readonly actor: string;
  readonly key: string;
  /** As of which commit it begins. */
  readonly sequence: number;
}

/**
 * The state of a key as it is now, and whenever a commit has changed it. An event's id is the number of its task's commit;
 * who comes back with one is told the state again unless nothing was committed since.
 */
export async function keyChanges(call: Call, actor: string, key: string): Promise<Response> {
  checkKey(key);
  const over = new AbortController();
  const leave = call.streams.enter();
  const end = () => {
    leave();
    over.abort();
    call.stopping.removeEventListener("abort", end);
  };
  call.stopping.addEventListener("abort", end, { once: true });
  if (call.stopping.aborted) end();
  try {
    const elsewhere = await answerElsewhere(call, actor, key);
    if (elsewhere) return watched(elsewhere, end, over.signal);
    const { follower, stop } = call.runtime.follow(actor, key);
    over.signal.addEventListener("abort", stop, { once: true });
    const { sequence } = await keyAnswer(call, actor, key);
    return eventStream(events({ call, actor, key, sequence }, follower, over.signal), end);
  } catch (error) {
    end();
    throw error;
  }
}

async function* events(subject: Subject, follower: Follower, over: AbortSignal): AsyncGenerator<string> {
  const { call } = subject;
  yield `retry: ${RETRY_MS}\n\n`;
  let known = lastEventId(call);
  // Of what was committed before it began to follow nobody knows how often it changed this state.
  let isGap = known !== undefined && known !== subject.sequence;
  for (let news = "changed"; news !== "ended"; news = await follower.wait(call.streams.heartbeatMs, over)) {
    if (news === "silent") {
      yield ":\n\n";
      continue;
    }
    const { sequence, body } = await keyAnswer(call, subject.actor, subject.key);
    const hasSkipped = follower.settle(sequence) && known !== undefined || isGap;
    isGap = false;
    if (sequence === known) continue;
    known = sequence;
    yield `id: ${sequence}\ndata: ${JSON.stringify({ ...body, ...(hasSkipped && { skipped: true }) })}\n\n`;
  }
}

function lastEventId({ request }: Call): number | undefined {
  const text = request.headers.get("last-event-id") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
