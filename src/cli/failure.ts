import { type Code, TidemarkError } from "../core/errors.ts";

/** An error whose words are out already: only its exit code is left to be given. */
export class Told extends Error {
  override readonly name = "Told";
}

/** How errors show: as text for the standard error, and as an exit code. */
interface Report {
  readonly text: string;
  readonly exitCode: number;
}

const IN_USE = "stop the process that uses the folder, ask it with --url, or give another folder with --data";

/** What a person at the command line can do, where the message does not say it. */
const HINTS: Partial<Readonly<Record<Code, string>>> = {
  TIDEMARK_APP_INVALID: "an app file ends with: export default app(name, [actors])",
  TIDEMARK_LOG_LOCKED: IN_USE,
  TIDEMARK_STORE_LOCKED: IN_USE,
  TIDEMARK_STORE_FOREIGN: "give each app a folder of its own with --data",
  TIDEMARK_ADDRESS_IN_USE: "give another address with --listen, such as 127.0.0.1:0 for any free port",
  TIDEMARK_SERVICE_UNREACHABLE: "start one with: tidemark run APP, or say where it is with --url",
};

/**
 * Words an error for a person: code, message and causes. The stack is shown for what is nobody's known error, and for all
 * with `withStack`.
 */
export function report(
  error: unknown,
  options: { readonly command: string | undefined; readonly withStack: boolean },
): Report {
  const lines = [headline(error), ...causes(error)];
  const hint = hintFor(error, options.command);
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  if (options.withStack || !(error instanceof TidemarkError)) lines.push(...stack(error));
  return { text: `${lines.join("\n")}\n`, exitCode: codeOf(error) === "TIDEMARK_USAGE" ? 2 : 1 };
}

function headline(error: unknown): string {
  const code = codeOf(error);
  return `error${code === undefined ? "" : ` ${code}`}: ${messageOf(error)}`;
}

/** The causes whose words do not stand in what is above them already. */
function causes(error: unknown): string[] {
  const lines: string[] = [];
  let said = messageOf(error);
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause)) {
    const message = messageOf(cause);
    if (said.includes(message)) continue;
    lines.push(`  because: ${message}`);
    said += message;
  }
  return lines;
}

function hintFor(error: unknown, command: string | undefined): string | undefined {
  const code = codeOf(error);
  if (code === "TIDEMARK_USAGE") return `tidemark ${command === undefined ? "" : `${command} `}--help`;
  return code && HINTS[code];
}

function stack(error: unknown): string[] {
  const text = error instanceof Error ? error.stack : undefined;
  return text === undefined ? [] : text.split("\n").filter((line) => /^\s+at /.test(line));
}

function codeOf(error: unknown): Code | undefined {
  return error instanceof TidemarkError ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
