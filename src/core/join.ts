import { type Duration, toMs } from "./duration.ts";
import { TidemarkError } from "./errors.ts";
import { type JoinDefinition, type JoinedSource, type Keyed, keyed, type PlainSource } from "./source.ts";

/** The newest value of each key, as it was at any time the watermark has not passed. */
export interface Table<out V> {
  readonly kind: "table";
  /** @internal */
  readonly "~table": PlainSource;
  readonly "~value"?: V;
}

/** What a join hands to its actor. */
export type Pair<L, R, T> = T extends "inner" ? { readonly left: L; readonly right: R }
  : T extends "left" ? { readonly left: L; readonly right: R | undefined }
  : { readonly left: L; readonly right: R | undefined } | { readonly left: undefined; readonly right: R };

/** How two streams are joined. */
export interface JoinOptions<L, R, T extends "inner" | "left" | "outer"> {
  /** Whether a left record without any match is sent too ("left"), or a record of either side ("outer"). */
  readonly type: T;
  /** How much earlier than a left record a right one may be, itself included. Default 0. */
  readonly before?: Duration;
  /** How much later than a left record a right one may be, itself included. Default 0. */
  readonly after?: Duration;
  /** Which of the pairs in reach are matches. It must be pure. Default: all. */
  readonly where?: (left: L, right: R) => boolean;
}

/**
 * The pairs of two sources whose records have equal keys and are near in time, both ends included:
 * `left.time − before ≤ right.time ≤ left.time + after`.
 *
 * A pair comes when the watermark has passed the later of its two times, which is the pair's time; all pairs of a key come
 * in the order of their times. A record without a match comes once, when none can come any more. So the result is the same
 * for every order of arrival. Records are kept in the store as long as a match may come.
 *
 * With a {@link table} on the right, each left record comes with the newest value as of its time.
 * @throws TIDEMARK_OPTION_INVALID, also for a source that is itself a join: chain it through an actor
 */
export function join<L, R, const T extends "inner" | "left">(
  left: Keyed<L>,
  right: Table<R>,
  options: { readonly type: T },
): Keyed<Pair<L, R, T>, L | R>;
export function join<L, R, const T extends "inner" | "left" | "outer">(
  left: Keyed<L>,
  right: Keyed<R>,
  options: JoinOptions<L, R, T>,
): Keyed<Pair<L, R, T>, L | R>;
export function join(
  left: Keyed<unknown>,
  right: Keyed<unknown> | Table<unknown>,
  options: JoinOptions<unknown, unknown, "inner" | "left" | "outer">,
): Keyed<unknown, unknown> {
  const { type, before = {}, after = {}, where = () => true } = options;
  if (!["inner", "left", "outer"].includes(type)) refuse(`${JSON.stringify(type)} as type`, "inner, left or outer");
  if (right.kind === "table" && type === "outer") refuse('"outer" with a table', "inner or left");
  const definition: JoinDefinition = {
    right: right.kind === "table" ? "table" : "stream",
    type,
    beforeMs: toMs(before, "a join's `before`"),
    afterMs: toMs(after, "a join's `after`"),
    where,
  };
  const source: JoinedSource = {
    kind: "join",
    join: definition,
    left: plain(left["keyed by .by(key) or .byKey()"]),
    right: right.kind === "table" ? right["~table"] : plain(right["keyed by .by(key) or .byKey()"]),
  };
  return keyed(source);
}

/**
 * The newest value of each key of a source; a null value is a delete. Of each key the version that holds at the watermark and
 * all later ones are kept, older ones are not: a stream record that comes after the watermark has passed it is late.
 * @throws TIDEMARK_OPTION_INVALID for a join
 */
export function table<V>(source: Keyed<V>): Table<V> {
  return { kind: "table", "~table": plain(source["keyed by .by(key) or .byKey()"]) };
}

function plain(source: PlainSource | JoinedSource): PlainSource {
  if (source.kind !== "join") return source;
  return refuse("a join as a side of a join", "an actor on the inner join and what it emits");
}

function refuse(what: string, instead: string): never {
  throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${what} in a join: use ${instead}`);
}
