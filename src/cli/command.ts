import { parseArgs } from "node:util";
import { reasonOf, TidemarkError } from "../core/errors.ts";
import type { Output } from "./output.ts";

/** One option of a command. */
export interface Option {
  /** What stands for its value in the help; an option without one is on or off. */
  readonly value?: string;
  /** Whether it may be given more than once. */
  readonly isMany?: boolean;
  readonly help: string;
}

/** A command: how it is called, and what it does. */
export interface Command {
  readonly name: string;
  /** What it does, in one line of the help. */
  readonly summary: string;
  /** What stands behind its name: `APP`, or `[KEY]` for what may be left out. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** What else its help says, as lines. */
  readonly notes?: readonly string[];
  readonly run: (call: Call) => Promise<void>;
}

/** How a command was called. */
export class Call {
  readonly command: Command;
  readonly operands: readonly string[];
  readonly out: Output;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(
    command: Command,
    operands: readonly string[],
    values: Readonly<Record<string, unknown>>,
    out: Output,
  ) {
    this.command = command;
    this.operands = operands;
    this.out = out;
    this.#values = values;
  }

  /** The value of an option, undefined when it was not given. */
  text(option: string): string | undefined {
    return this.#values[option] as string | undefined;
  }

  /** All values of an option that may be given more than once. */
  texts(option: string): readonly string[] {
    return (this.#values[option] as string[] | undefined) ?? [];
  }

  isOn(option: string): boolean {
    return this.choice(option) === true;
  }

  /** Whether an option without a value was given, as `--x`, or as `--no-x`, or not at all. */
  choice(option: string): boolean | undefined {
    return this.#values[option] as boolean | undefined;
  }

  /** The value of an option as a whole number. @throws TIDEMARK_USAGE */
  count(option: string, least: number): number | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw misuse(`--${option} is "${text}": give a whole number from ${least}`);
  }
}

/** The error for a command line that cannot be understood. */
export function misuse(problem: string): TidemarkError {
  return new TidemarkError("TIDEMARK_USAGE", problem);
}

/** Reads the arguments behind a command's name. @throws TIDEMARK_USAGE */
export function parseCall(command: Command, args: readonly string[], out: Output): Call {
  const { name, operands } = command;
  const options = Object.entries(command.options).map(([option, { value, isMany }]) => {
    return [option, { type: value === undefined ? "boolean" : "string", multiple: isMany ?? false }] as const;
  });
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: Object.fromEntries(options),
      allowPositionals: true,
      allowNegative: true,
    });
  } catch (error) {
    throw misuse(reasonOf(error).split(". ")[0]!);
  }
  const { positionals, values } = parsed;
  const missing = operands[positionals.length];
  if (missing !== undefined && !missing.startsWith("[")) throw misuse(`tidemark ${name} needs ${missing}`);
  const extra = positionals[operands.length];
  if (extra !== undefined) throw misuse(`tidemark ${name} does not know what to do with "${extra}"`);
  return new Call(command, positionals, values, out);
}
