import { readFileSync } from "node:fs";
import { reasonOf, TidemarkError } from "../../core/errors.ts";
import { nearest } from "./nearest.ts";
import { environmentOf, RUN_OPTIONS, type RunOption, type Value } from "./options.ts";

/** How much is shown of a value that cannot be used. */
const SHOWN_LENGTH = 60;

/**
 * Reads a configuration file: a JSON object of options by their names.
 * @throws TIDEMARK_OPTION_INVALID with the file, the key, what was found and what is expected there
 */
export function readConfigFile(path: string): Map<string, Value> {
  const found = parsed(path);
  const values = new Map<string, Value>();
  for (const [key, value] of Object.entries(found)) {
    const option = RUN_OPTIONS.get(key);
    if (!option) throw unknown(path, key);
    if (option.isSecret) {
      throw invalid(
        path,
        `"${key}" is a secret, which does not belong there: set ${environmentOf(key)}, or give "${key}-file"`,
      );
    }
    if (!fits(option, value)) throw invalid(path, `"${key}" is ${shown(value)}, expected ${expectation(option)}`);
    values.set(key, value);
  }
  return values;
}

function parsed(path: string): object {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw invalid(path, `it cannot be read: ${reasonOf(cause)}`, cause);
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    // The engine's own words may quote what is there, which may be a secret.
    const [place = ""] = / at position \d+( \(line \d+ column \d+\))?/.exec(reasonOf(error)) ?? [];
    throw invalid(path, `it is not JSON${place}`);
  }
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return found;
  throw invalid(path, `it holds ${shown(found)}, expected an object of options`);
}

function unknown(path: string, key: string): TidemarkError {
  const meant = nearest(key, RUN_OPTIONS.keys());
  const advice = meant === undefined
    ? `the options are ${[...RUN_OPTIONS.keys()].join(", ")}`
    : `did you mean "${meant}"?`;
  return invalid(path, `there is no option "${key}": ${advice}`);
}

function fits({ kind }: RunOption, value: unknown): value is Value {
  if (kind === "switch") return typeof value === "boolean";
  if (kind === "count") return typeof value === "number";
  if (kind === "list") return Array.isArray(value) && value.every((one) => typeof one === "string");
  return typeof value === "string";
}

function expectation({ kind, choices, least }: RunOption): string {
  if (kind === "switch") return "true or false";
  if (kind === "count") return `a whole number from ${least}`;
  if (kind === "list") return "a list of texts";
  return choices ? choices.map((choice) => `"${choice}"`).join(" or ") : "a text";
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

function invalid(path: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use configuration file "${path}": ${what}`, { cause });
}
