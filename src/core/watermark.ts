/**
 * How far event time has come. A watermark `W` says: no record earlier than `W` is expected any more.
 *
 * It never goes back. `-Infinity` is before anything was heard, `Infinity` is after the end of a finished source.
 */

/** One thing that moves a task's watermark: a source partition, or an upstream partition behind a repartition topic. */
export class Channel {
  /** The largest event time seen less the topic's `maxOutOfOrderness`. */
  watermark = -Infinity;
  /** Read to its end and silent: it holds nothing back until it speaks again. */
  isIdle = false;

  /** Moves the watermark on, never back, and wakes the channel. */
  advance(watermark: number): void {
    if (watermark > this.watermark) this.watermark = watermark;
    this.isIdle = false;
  }
}

/**
 * The minimum over channels that are not idle. When all are idle it is their maximum, so that it does not hang on the order
 * in which they fell silent (as in Flink's StatusWatermarkValve); a channel that has ended has no part in that: it is
 * `Infinity` only when all have ended. Without channels it is `-Infinity`.
 */
export function minimum(channels: Iterable<Channel>): number {
  let low = Infinity;
  let high = -Infinity;
  let ended = 0;
  let count = 0;
  for (const { watermark, isIdle } of channels) {
    count++;
    if (watermark === Infinity) {
      ended++;
      continue;
    }
    if (watermark > high) high = watermark;
    if (!isIdle && watermark < low) low = watermark;
  }
  if (low < Infinity) return low;
  return ended === count && count > 0 ? Infinity : high;
}

/** Whether nothing holds the watermark any more. */
export function isEveryIdle(inputs: Iterable<{ readonly lanes: readonly { readonly done: Channel }[] }>): boolean {
  let some = false;
  for (const { lanes } of inputs) {
    for (const { done } of lanes) {
      if (!done.isIdle) return false;
      some = true;
    }
  }
  return some;
}

/** A watermark as JSON. */
export type WatermarkJson = number | "none" | "end";

export function watermarkToJson(watermark: number): WatermarkJson {
  return watermark === -Infinity ? "none" : watermark === Infinity ? "end" : watermark;
}

export function watermarkFromJson(json: WatermarkJson): number {
  return json === "none" ? -Infinity : json === "end" ? Infinity : json;
}
