import { TidemarkError } from "../core/errors.ts";
import { keyFault } from "../core/key.ts";
import type { Publication } from "../runtime/publish.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json, jsonLines } from "./answer.ts";
import { mediaType, wrongType } from "./body.ts";
import { recordLine } from "./record-line.ts";
import { positionText } from "./positions.ts";
import type { Call } from "./route.ts";
import { quoted } from "./target.ts";

const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";

/** Puts the body's JSON value, or each of its JSON lines, into a topic the app reads: all, or none if any is not JSON. */
export async function publishTo({ runtime, request, query, bodies }: Call, topic: string): Promise<Response> {
  checkRead(runtime, topic);
  const key = query.text("key");
  const fault = key !== undefined && keyFault(key);
  if (fault) throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot use the parameter key: ${fault}`);
  const type = mediaType(request);
  if (type !== JSON_TYPE && type !== LINES_TYPE) {
    return wrongType(type, `${JSON_TYPE} for one value or ${LINES_TYPE} for lines`);
  }
  return await bodies.read(request, async (body) => {
    const publications = publicationsOf(textOf(body), type, key);
    const acks = await runtime.publish(topic, publications, request.headers.get("traceparent") ?? undefined);
    const positions = acks.map(({ partition, first, last }) => {
      return { partition, first, last, minPosition: positionText({ topic, partition, offset: last + 1 }) };
    });
    return json({ topic, records: publications.length, positions });
  });
}

/** The records of a topic as the log holds them. */
export async function topicRecords({ runtime, query, onError }: Call, topic: string): Promise<Response> {
  const [partition, from, limit] = ["partition", "from", "limit"].map((name) => query.whole(name));
  const options = {
    ...(partition !== undefined && { partition }),
    ...(from !== undefined && { from }),
    ...(limit !== undefined && { limit }),
  };
  return await jsonLines(recordLines(runtime.read(topic, options)), onError);
}

async function* recordLines(records: ReturnType<Runtime["read"]>): AsyncGenerator<string> {
  for await (const record of records) yield recordLine(record);
}

function checkRead(runtime: Runtime, topic: string): void {
  const topics = runtime.topicsRead;
  if (topics.has(topic)) return;
  throw new TidemarkError(
    "TIDEMARK_LOG_TOPIC_UNKNOWN",
    `Cannot put records into topic ${quoted(topic)}: the app reads ${[...topics].join(", ")}`,
  );
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new TidemarkError("TIDEMARK_REQUEST_INVALID", "Cannot take the body: it is not UTF-8; nothing was written");
  }
}

/** The values stay as they were sent, byte for byte, so that no number loses a digit. */
function publicationsOf(text: string, type: string, key: string | undefined): Publication[] {
  if (type === JSON_TYPE) {
    checkJson(text, "the body");
    return [{ key, value: text }];
  }
  const publications: Publication[] = [];
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "") return;
    checkJson(line, `line ${index + 1}`);
    publications.push({ key, value: line.trimEnd() });
  });
  return publications;
}

function checkJson(text: string, what: string): void {
  try {
    JSON.parse(text);
  } catch {
    throw new TidemarkError(
      "TIDEMARK_REQUEST_INVALID",
      `Cannot take the body: ${what} is not JSON: ${quoted(text)}; nothing was written`,
    );
  }
}
