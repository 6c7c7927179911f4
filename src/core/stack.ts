import { TidemarkError } from "./errors.ts";

/** Where the engine itself lies, as long as it is not bundled with what uses it. */
const ENGINE = import.meta.url.endsWith("/core/stack.ts") ? new URL("../", import.meta.url).href : undefined;

/**
 * Where a user's code threw, as the runtime writes it, down to the engine that called it, with files but not the folders they
 * are in: those are the machine's own business. Undefined for what is no error, and for what the engine itself complains about.
 */
export function stackOf(error: unknown): string | undefined {
  const thrown = error instanceof TidemarkError ? error.cause : error;
  if (!(thrown instanceof Error) || typeof thrown.stack !== "string") return undefined;
  const lines = thrown.stack.split("\n");
  const engine = lines.findIndex(isOfEngine);
  const own = engine === -1 ? lines : lines.slice(0, engine);
  if (!own.some((line) => isFrame(line) && !line.includes("<anonymous>"))) return undefined;
  return own.map((line) => isFrame(line) ? withoutFolders(line) : line).join("\n");
}

/** `at f (file:///home/ann/machines.ts:3:9)` is `at f (machines.ts:3:9)`. */
function withoutFolders(frame: string): string {
  return frame.replace(/^( +at (?:async )?(?:.* \()?).*[\\/](?=[^\\/]+$)/, "$1");
}

function isFrame(line: string): boolean {
  return /^ +at /.test(line);
}

function isOfEngine(line: string): boolean {
  return isFrame(line) && (line.includes("/node_modules/xstate/") || ENGINE !== undefined && line.includes(ENGINE));
}
