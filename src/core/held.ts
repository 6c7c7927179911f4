/** What the store of a task holds of one actor. `NaN` is what is not known, because a checkpoint of an older version did not say. */
export interface Held {
  /** States: one for each key, or for each key and open window. */
  states: number;
  /** Timers that are set. */
  timers: number;
  /** Records that wait, and their bytes, about. */
  records: number;
  bytes: number;
}

/** The same as JSON, in a checkpoint; null is what is not known. */
export type HeldJson = readonly [
  states: number | null,
  timers: number | null,
  records: number | null,
  bytes: number | null,
];

export function heldToJson({ states, timers, records, bytes }: Held): HeldJson {
  return [states, timers, records, bytes];
}

/** @param json undefined for an actor that was not there */
export function heldFromJson(json: HeldJson = [0, 0, 0, 0]): Held {
  const [states, timers, records, bytes] = json.map((count) => count ?? NaN);
  return { states: states!, timers: timers!, records: records!, bytes: bytes! };
}
