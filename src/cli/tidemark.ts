import { readFileSync } from "node:fs";
import process from "node:process";
import { type Command, misuse, parseCall } from "./command.ts";
import { report, Told } from "./failure.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { Output, OutputClosed } from "./output.ts";
import { deadLetters } from "./dead-letters.ts";
import { explain } from "./explain.ts";
import { query } from "./query.ts";
import { read } from "./read.ts";
import { run } from "./run.ts";
import { send } from "./send.ts";
import { topology } from "./topology.ts";

const COMMANDS: readonly Command[] = [run, send, query, explain, read, deadLetters, topology];

/** Runs a command line, without the name of the binary. Answers with its exit code: 0, 1 or 2. */
export async function tidemark(args: readonly string[]): Promise<number> {
  const out = new Output(process.stdout);
  process.stderr.on("error", () => {}); // nobody is left to be told
  const command = COMMANDS.find(({ name }) => name === args[0]);
  try {
    await dispatch(command, args, out);
    await out.flush();
    return 0;
  } catch (error) {
    if (error instanceof OutputClosed) return 0;
    if (error instanceof Told) return 1;
    await out.flush().catch(() => {});
    const withStack = process.env["TIDEMARK_DEBUG"] === "1";
    const { text, exitCode } = report(error, { command: command?.name, withStack });
    process.stderr.write(text);
    return exitCode;
  }
}

async function dispatch(command: Command | undefined, [name, ...rest]: readonly string[], out: Output): Promise<void> {
  if (command) {
    const beforeOperands = rest.slice(0, rest.includes("--") ? rest.indexOf("--") : rest.length);
    if (beforeOperands.includes("--help")) return await out.line(commandHelp(command));
    return await command.run(parseCall(command, rest, out));
  }
  if (name === "--version") return await out.line(version());
  if (name === "--help" || name === "help") return await out.line(generalHelp(COMMANDS));
  const names = COMMANDS.map((one) => one.name).join(", ");
  throw misuse(name === undefined ? `no command was given: ${names}` : `"${name}" is no command: ${names}`);
}

function version(): string {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}
