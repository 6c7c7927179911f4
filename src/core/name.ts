import { TidemarkError } from "./errors.ts";

/** What a Kafka topic name may be made of; actors and apps follow, because internal topics are named after them. */
const LEGAL = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Kafka allows 249 characters for a topic; internal topics join an app's and an actor's name. */
const MAX_LENGTH = 100;

/**
 * The name, checked: letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 100 characters.
 * @throws TIDEMARK_NAME_INVALID
 */
export function checkedName(kind: "topic" | "actor" | "app" | "sink", name: string): string {
  if (typeof name === "string" && name.length <= MAX_LENGTH && LEGAL.test(name)) return name;
  throw new TidemarkError(
    "TIDEMARK_NAME_INVALID",
    `Cannot name ${kind === "topic" || kind === "sink" ? "a" : "an"} ${kind} ${
      JSON.stringify(name)
    }: use 1 to ${MAX_LENGTH} letters, digits, ".", "_" or "-", ` +
      `beginning with a letter or digit`,
  );
}
