import type { Command } from "./command.ts";

/** The help of the binary. */
export function generalHelp(commands: readonly Command[]): string {
  const calls = commands.map((command) => [callOf(command), command.summary] as const);
  return [
    "tidemark: XState machines as durable, keyed actors over a log, in event time",
    "",
    ...columns(calls),
    "",
    "tidemark COMMAND --help tells more; tidemark --version tells the version.",
    "Exit codes: 0 all is well, 1 it failed, 2 the command line is wrong. TIDEMARK_DEBUG=1 shows stack traces.",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([name, { value, isMany, help }]) => {
    return [`--${name}${value === undefined ? "" : ` ${value}`}${isMany ? " ..." : ""}`, help] as const;
  });
  const usage = [`tidemark ${callOf(command)}`, ...(options.length > 0 ? ["[options]"] : [])].join(" ");
  return [
    usage,
    "",
    `${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`,
    "",
    ...columns([...options, ["--help", "this text"]]),
    ...(command.notes ? ["", ...command.notes] : []),
  ].join("\n");
}

function callOf({ name, operands }: Command): string {
  return [name, ...operands].join(" ");
}

/** Rows of two texts, the second ones below each other. */
function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
