import { TidemarkError } from "../core/errors.ts";
import { problem } from "./problem.ts";
import { quoted } from "./target.ts";

/**
 * The media type of a request's body, "" where it has none. JSON types cannot be sent by a page of another site without asking
 * first, which is refused: so who does something asks for one.
 */
export function mediaType({ headers }: Request): string {
  return (headers.get("content-type") ?? "").replace(/\s*;.*/, "").toLowerCase();
}

/** The refusal of a body of another type. */
export function wrongType(type: string, wanted: string): Response {
  const sent = type === "" ? "it has no content-type" : `its content-type is ${quoted(type)}`;
  const detail = `Cannot take the body: ${sent}; send ${wanted}`;
  return problem(415, { detail, code: "TIDEMARK_REQUEST_INVALID" });
}

/** How much of requests' bodies is held in memory. */
export interface Limits {
  /** Of one body, in bytes, from 1. Default 8 MiB. */
  readonly bodyBytes?: number;
  /** Of all bodies that are being read or written into the log, in bytes, from 1. Default 64 MiB. */
  readonly allBodiesBytes?: number;
}

/** Reads bodies within limits. */
export class Bodies {
  readonly #limit: number;
  readonly #limitOfAll: number;
  #held = 0;

  /** @throws TIDEMARK_OPTION_INVALID */
  constructor({ bodyBytes = 8 * 1_048_576, allBodiesBytes = 64 * 1_048_576 }: Limits) {
    for (const [name, value] of Object.entries({ bodyBytes, allBodiesBytes })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as ${name}: give a whole number from 1`);
    }
    this.#limit = bodyBytes;
    this.#limitOfAll = allBodiesBytes;
  }

  /**
   * Reads a body and hands it to `use`; until that is done it counts as held. A body that is too large is not read on.
   * @throws TIDEMARK_REQUEST_TOO_LARGE, TIDEMARK_BUSY, TIDEMARK_REQUEST_INVALID when the body breaks off
   */
  async read<T>(request: Request, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    if (Number(request.headers.get("content-length")) > this.#limit) throw this.#tooLarge();
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const part of piecesOf(request)) {
        parts.push(part);
        length += part.length;
        this.#held += part.length;
        if (length > this.#limit) throw this.#tooLarge();
        if (this.#held > this.#limitOfAll) throw busy();
      }
      return await use(joined(parts, length));
    } finally {
      this.#held -= length;
    }
  }

  #tooLarge(): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_REQUEST_TOO_LARGE",
      `Cannot take the body: it has more than ${this.#limit} bytes; send it in parts`,
    );
  }
}

/** The pieces of a body. Whoever stops early leaves the rest to the server. */
async function* piecesOf({ body }: Request): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw new TidemarkError("TIDEMARK_REQUEST_INVALID", "Cannot take the body: it broke off; nothing was written", {
        cause,
      });
    });
    if (done) return;
    yield value;
  }
}

function busy(): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_BUSY",
    "Cannot take the body: the bodies of other requests fill the memory that is meant for them; try again soon",
    { retry: true },
  );
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
