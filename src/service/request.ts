import type { IncomingMessage } from "node:http";

/** What a URL needs in front of a path; nobody looks at it. */
const ORIGIN = "http://localhost";

/** Methods that the web's requests cannot have. */
const UNHEARD_OF = new Set(["CONNECT", "TRACE", "TRACK"]);

/** A request of node:http as the web has it. Undefined when its URL or method cannot be one. */
export function requestOf(incoming: IncomingMessage): Request | undefined {
  const { method = "GET", url = "/" } = incoming;
  const isUnheardOf = UNHEARD_OF.has(method.toUpperCase());
  const hasBody = method !== "GET" && method !== "HEAD" && !isUnheardOf;
  const headers = headersOf(incoming);
  const init = {
    method: isUnheardOf ? "GET" : method,
    headers,
    ...(hasBody && { body: bodyOf(incoming), duplex: "half" }),
  };
  try {
    const request = new Request(url.startsWith("/") ? ORIGIN + url : url, init as RequestInit);
    // The handler refuses it as it does any other method, and says which ones there are.
    return isUnheardOf ? Object.defineProperty(request, "method", { value: method }) : request;
  } catch {
    return undefined;
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  return headers;
}

/** Reads a body only as fast as it is taken. The connection lives on when it is not taken to its end. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      incoming.on("data", (chunk: Uint8Array) => {
        incoming.pause();
        controller.enqueue(chunk);
      });
      incoming.on("end", () => controller.close());
      incoming.on("error", (error) => controller.error(error));
      incoming.pause();
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      incoming.removeAllListeners("data");
      incoming.resume();
    },
  }, { highWaterMark: 0 });
}
