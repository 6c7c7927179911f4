/** What goes back: bytes in one piece, JSON, or lines as they are made. */

/** About how much of a stream of lines is made before the client has taken what came before. */
const CHUNK_UNITS = 65_536;

/** State changes all the time, and a key may look like anything. */
export const COMMON_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

const encoder = new TextEncoder();

/** Headers and status of an answer. */
interface AnswerInit {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer in one piece. */
export function answer(text: string, type: string, { status = 200, headers = {} }: AnswerInit = {}): Response {
  const body = encoder.encode(text);
  const length = { "content-type": type, "content-length": String(body.length) };
  return new Response(body, { status, headers: { ...COMMON_HEADERS, ...length, ...headers } });
}

/** An answer of one JSON value. */
export function json(value: unknown, init?: AnswerInit): Response {
  return answer(JSON.stringify(value) + "\n", "application/json", init);
}

/** What another service answered, as an answer of this one. */
export function passedOn({ status, headers, body }: Response): Response {
  const kept = ["content-type", "retry-after"].flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return new Response(body, { status, headers: { ...COMMON_HEADERS, ...Object.fromEntries(kept) } });
}

/**
 * An answer of JSON lines, made only as fast as they are taken. What fails before the first line is thrown, so that it gets
 * a status of its own; a later failure goes to `onError` and breaks the answer off, which the client can tell.
 */
export async function jsonLines(
  lines: AsyncGenerator<string>,
  onError: (error: unknown) => void,
): Promise<Response> {
  let next = await lines.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        let chunk = "";
        for (; !next.done && chunk.length < CHUNK_UNITS; next = await lines.next()) chunk += next.value + "\n";
        if (chunk !== "") controller.enqueue(encoder.encode(chunk));
        if (next.done) controller.close();
      } catch (error) {
        onError(error);
        controller.error(error);
      }
    },
    async cancel() {
      await lines.return(undefined);
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { ...COMMON_HEADERS, "content-type": "application/x-ndjson" } });
}
