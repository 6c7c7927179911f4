/** All states of an actor, page by page. */

import type { Place } from "../runtime/page-rows.ts";
import type { ActorState, Standing } from "../runtime/query.ts";
import { json } from "./answer.ts";
import { cursorTo, type PageStart, startOf } from "./cursor.ts";
import { askElsewhere, partitionAsked } from "./elsewhere.ts";
import { untilKnown, waitMsOf } from "./positions.ts";
import type { Call } from "./route.ts";
import { lagOf } from "./standing.ts";

const LIMIT = { default: 100, most: 1_000 } as const;

/** About how much text the states of a page may be before no further partition is looked at. */
const PAGE_UNITS = 1_048_576;

/** What of a page one partition has. */
interface Part {
  readonly states: readonly ActorState[];
  readonly standings: readonly (Standing & { readonly lag: number })[];
  readonly next: Place | undefined;
}

/** What a page is asked for with. */
interface Wanted {
  readonly prefix: string;
  readonly limit: number;
  /** How long it may wait for positions, by the clock of `performance`. */
  readonly until: number;
}

/** A page, as an instance answers it. */
interface PageJson {
  readonly states: readonly ActorState[];
  readonly standings: Part["standings"];
  readonly cursor?: string;
}

/**
 * States in a fixed order: by partition, in it by key, and of windows by their end before that. All of what a page holds is
 * answered, from this instance or others, or nothing is.
 */
export async function actorPage(call: Call, actor: string): Promise<Response> {
  const { runtime, query } = call;
  const partitions = runtime.partitionsOf(actor);
  const limit = query.whole("limit", { least: 1, most: LIMIT.most }) ?? LIMIT.default;
  const prefix = query.text("prefix") ?? "";
  const cursor = query.text("cursor");
  const start = cursor === undefined ? { partition: 0 } : startOf(cursor, actor, partitions);
  // Another instance asks for one partition only.
  const end = partitionAsked(call) === undefined ? partitions : start.partition + 1;
  const states: ActorState[] = [];
  const standings: Part["standings"][number][] = [];
  const until = performance.now() + waitMsOf(call);
  let next: PageStart | undefined = start;
  let units = 0;
  while (next && states.length < limit && units < PAGE_UNITS) {
    const part = await partOf(call, actor, next, { prefix, limit: limit - states.length, until });
    states.push(...part.states);
    standings.push(...part.standings);
    units += JSON.stringify(part.states).length;
    next = following(next, part, end);
    if (part.next) break;
  }
  return json({ actor, states, standings, ...(next && { cursor: cursorTo(actor, next) }) });
}

function following({ partition }: PageStart, { next }: Part, end: number): PageStart | undefined {
  if (next) return { partition, from: next };
  return partition + 1 < end ? { partition: partition + 1 } : undefined;
}

async function partOf(call: Call, actor: string, start: PageStart, { prefix, limit, until }: Wanted): Promise<Part> {
  const { runtime, query } = call;
  const { partition, from } = start;
  const waitMs = Math.max(0, Math.floor(until - performance.now()));
  const address = partitionAsked(call) === undefined ? runtime.whereIs(actor, partition) : undefined;
  if (address === undefined) {
    await untilKnown(call, actor, partition, waitMs);
    const { states, next, standing } = await runtime.page(actor, partition, { prefix, from, limit });
    return { states, next, standings: standing ? [{ ...standing, lag: lagOf(runtime, actor, standing) }] : [] };
  }
  const known = query.texts("minPosition").map((position) => ["minPosition", position]);
  const own = { prefix, limit: String(limit), cursor: cursorTo(actor, start), wait: String(waitMs) };
  const parameters = new URLSearchParams([...Object.entries(own), ...known]);
  const page = await askElsewhere(call, address, partition, parameters, waitMs) as PageJson;
  const next = page.cursor === undefined ? undefined : startOf(page.cursor, actor, runtime.partitionsOf(actor)).from;
  return { states: page.states, standings: page.standings, next };
}
