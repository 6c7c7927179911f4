/**
 * A typed stream: readings of sensors as they come, checked by a schema, and passed on in another unit. What TypeScript does
 * not find in this file is found in the record: one that does not fit becomes a dead letter and holds up nothing.
 */
import { app, forward, topic } from "tidemark";
import { maxLength, minValue, number, object, pipe, string } from "valibot";

export const readings = topic("readings", {
  schema: object({ sensor: pipe(string(), maxLength(40)), celsius: pipe(number(), minValue(-273.15)), at: number() }),
  time: (reading) => reading.at,
});

export const american = topic("readings-in-fahrenheit", {
  schema: object({ sensor: string(), fahrenheit: number() }),
});

export const convert = forward(
  readings.by((reading) => reading.sensor),
  american,
  ({ sensor, celsius }) => ({ sensor, fahrenheit: Math.round(celsius * 18 + 320) / 10 }),
);

export default app("typed-stream", [convert]);
