/** Reading one's own writes: answers that wait until positions are processed. */

import { TidemarkError } from "../core/errors.ts";
import type { Progress, Reach } from "../runtime/reach.ts";
import { json } from "./answer.ts";
import { askPosition } from "./elsewhere.ts";
import type { Call, Parameter } from "./route.ts";
import { named } from "./schema.ts";
import { quoted } from "./target.ts";

/** How long a query waits, in ms. */
const WAIT_MS = { default: 5_000, most: 30_000 } as const;

/** Positions that one query waits for at most. */
const POSITIONS_MAX = 64;

/** The parameters of whoever can wait. */
export const WAITING: Readonly<Record<string, Parameter>> = {
  minPosition: {
    description:
      "Answer only when everything that came of the records before this position of a topic is taken in, as in " +
      "pageviews/0:43; several may be given. What was published tells its own.",
    schema: { type: "array", items: named("Position"), maxItems: POSITIONS_MAX },
  },
  wait: {
    description: `How long to wait for that, in ms. Default ${WAIT_MS.default}.`,
    schema: { type: "integer", minimum: 0, maximum: WAIT_MS.most },
  },
};

/** How long a request lets itself wait for the positions it names. @throws TIDEMARK_REQUEST_INVALID */
export function waitMsOf({ query }: Call): number {
  const waitMs = query.whole("wait", { most: WAIT_MS.most }) ?? WAIT_MS.default;
  return query.texts("minPosition").length > 0 ? waitMs : 0;
}

/**
 * Waits until a partition of an actor knows the positions that a request names.
 * @throws TIDEMARK_REQUEST_INVALID, TIDEMARK_LOG_TOPIC_UNKNOWN, TIDEMARK_POSITION_PENDING, TIDEMARK_NOT_READY
 */
export async function untilKnown(call: Call, actor: string, partition: number, waitMs = waitMsOf(call)): Promise<void> {
  const { runtime, query, stopping } = call;
  const wanted = query.texts("minPosition").map(reachOf);
  if (wanted.length > POSITIONS_MAX) {
    throw new TidemarkError(
      "TIDEMARK_REQUEST_INVALID",
      `Cannot wait for ${wanted.length} positions: give at most ${POSITIONS_MAX}`,
    );
  }
  if (wanted.length === 0) return;
  const ask = (address: string, reach: Reach, left: number) => askPosition(call, address, reach, left);
  await runtime.positions.reach(actor, partition, wanted, { waitMs, signal: stopping }, ask);
}

/** A position as clients have it: of the next record. */
export function positionText({ topic, partition, offset }: Reach): string {
  return `${topic}/${partition}:${offset}`;
}

/** How far a partition is processed. */
export async function positionOf(call: Call, topic: string, partition: string): Promise<Response> {
  const { runtime, query, stopping } = call;
  const offset = query.whole("min") ?? 0;
  const place = { topic, partition: /^\d{1,9}$/.test(partition) ? Number(partition) : NaN, offset };
  const waitMs = query.whole("wait", { most: WAIT_MS.most }) ?? WAIT_MS.default;
  const progress: Progress = await runtime.positions.processed(place, { waitMs, signal: stopping });
  return json(progress);
}

function reachOf(position: string): Reach {
  const [, topic, partition, offset] = /^([^/]{1,249})\/(\d{1,9}):(\d{1,15})$/.exec(position) ?? [];
  if (topic !== undefined) return { topic, partition: Number(partition), offset: Number(offset) };
  throw new TidemarkError(
    "TIDEMARK_REQUEST_INVALID",
    `Cannot use ${quoted(position)} as minPosition: give topic/partition:offset, as in pageviews/0:43`,
  );
}
