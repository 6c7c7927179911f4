/** What a URL asks for: the segments of its path and its parameters, decoded once. */

import { TidemarkError } from "../core/errors.ts";
import type { Schema } from "./schema.ts";

/** How much of what a client sent stands in a message about it, in UTF-16 units. */
const QUOTE_MAX = 100;

/** What a client sent, for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text);
}

/** Decodes %-sequences, once. @throws TIDEMARK_REQUEST_INVALID */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TidemarkError(
      "TIDEMARK_REQUEST_INVALID",
      `Cannot read ${quoted(text)} in the URL: a %-sequence is not UTF-8; encode with encodeURIComponent`,
    );
  }
}

/** The parameters of a URL. */
export class Query {
  readonly #values = new Map<string, string[]>();

  /**
   * @param search what follows the question mark: `name=value&…`, where `+` is a space
   * @param known the parameters the route takes, by their names
   * @throws TIDEMARK_REQUEST_INVALID for any other name, and for one that is there twice and no list
   */
  constructor(search: string, known: Readonly<Record<string, { readonly schema: Schema }>>) {
    for (const pair of search.split("&")) {
      if (pair === "") continue;
      const [name, ...rest] = pair.replaceAll("+", " ").split("=");
      const text = decoded(name!);
      const values = this.#values.get(text) ?? [];
      if (!Object.hasOwn(known, text) || values.length > 0 && known[text]!.schema["type"] !== "array") {
        const names = Object.keys(known);
        const takes = names.length === 0 ? "it takes none" : `it takes ${names.join(", ")}, each once`;
        throw new TidemarkError(
          "TIDEMARK_REQUEST_INVALID",
          `Cannot use parameter ${quoted(text)} with this route: ${takes}`,
        );
      }
      this.#values.set(text, [...values, decoded(rest.join("="))]);
    }
  }

  /** A parameter's value, undefined when it is not there. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** All values of a parameter that is a list. */
  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** A parameter as a whole number. @throws TIDEMARK_REQUEST_INVALID */
  whole(name: string, { least = 0, most = Infinity } = {}): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    const bounds = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
    throw new TidemarkError(
      "TIDEMARK_REQUEST_INVALID",
      `Cannot use ${quoted(text)} as ${name}: give a whole number ${bounds}`,
    );
  }
}
