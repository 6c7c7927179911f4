/** Topics for what the machines of these tests tell. */
import { topic } from "tidemark";
import { array, nullable, number, object, string } from "valibot";

/** What a window was at its close. */
export const closed = topic("closed", {
  schema: object({ start: number(), end: number(), at: number(), ids: array(string()) }),
});

/** That a window was asked for an update. */
export const updated = topic("updated", { schema: object({ start: number(), end: number(), at: number() }) });

/** What an actor was sent. */
export const told = topic("told", {
  schema: object({ n: number(), time: number(), left: nullable(string()), right: nullable(string()) }),
});

/** The sum over a window. */
export const sums = topic("sums", { schema: object({ start: number(), end: number(), sum: number() }) });
