import process from "node:process";
import { TidemarkError } from "../core/errors.ts";
import { type Line, LineCutter, MAX_LINE_BYTES } from "../service/input/lines.ts";
import type { Call, Command } from "./command.ts";
import { warn } from "./output.ts";
import { Client, DEFAULT_URL } from "./source/client.ts";
import { pathOf } from "./source/service.ts";
import { TOKEN_OPTION, tokenOf } from "./token.ts";

/** The most lines, and about the most bytes, of one request. */
const BATCH = { lines: 1_000, bytes: 524_288 } as const;
const NEWLINE = 0x0a;

/** `tidemark send`. */
export const send: Command = {
  name: "send",
  summary: "put JSON lines from standard input into a topic of a running service",
  operands: ["TOPIC"],
  options: {
    url: { value: "URL", help: `of the service, default ${DEFAULT_URL}` },
    ...TOKEN_OPTION,
    key: { value: "K", help: "the key of all these records, default none" },
  },
  notes: [
    "Lines go in batches; a batch with a line that is not JSON is refused as a whole, and nothing behind it is sent.",
    "TRACEPARENT in the environment, as W3C has it, makes the records a part of that trace.",
  ],
  async run(call: Call): Promise<void> {
    const client = new Client(call.text("url") ?? DEFAULT_URL, await tokenOf(call));
    const path = pathOf("topics", call.operands[0]!);
    const traceparent = process.env["TRACEPARENT"];
    const trace = traceparent ? { traceparent } : {};
    let sent = 0;
    try {
      for await (const { lines, bytes } of batches(process.stdin)) {
        await client.post(path, { key: call.text("key") }, { ...trace, "content-type": "application/x-ndjson" }, bytes);
        sent += lines;
      }
    } catch (error) {
      warn(`sent ${sent} records before it failed`);
      throw error;
    }
    await call.out.line(`sent ${sent} records`);
  },
};

/** The body of one request. */
interface Batch {
  readonly lines: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Gathers lines into bodies; empty ones are left out. @throws TIDEMARK_REQUEST_TOO_LARGE */
async function* batches(input: AsyncIterable<Uint8Array>): AsyncGenerator<Batch> {
  let lines: Uint8Array[] = [];
  let length = 0;
  let number = 0;
  for await (const line of linesOf(input)) {
    number++;
    if (line.length > MAX_LINE_BYTES) throw tooLarge(number, line.length);
    if (line.length === 0) continue;
    lines.push(line.bytes);
    length += line.length + 1;
    if (lines.length < BATCH.lines && length < BATCH.bytes) continue;
    yield { lines: lines.length, bytes: joined(lines, length) };
    lines = [];
    length = 0;
  }
  if (lines.length > 0) yield { lines: lines.length, bytes: joined(lines, length) };
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const cutter = new LineCutter(0);
  for await (const piece of input) yield* cutter.push(piece);
  const last = cutter.finish();
  if (last) yield last;
}

function joined(lines: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length).fill(NEWLINE);
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length + 1;
  }
  return bytes;
}

function tooLarge(number: number, length: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_REQUEST_TOO_LARGE",
    `Cannot send line ${number}: it has ${length} bytes, and a line may have ${MAX_LINE_BYTES}`,
  );
}
