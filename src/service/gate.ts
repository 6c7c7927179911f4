import { livez } from "../http/operations.ts";
import { problem } from "../http/problem.ts";

type Handler = (request: Request) => Promise<Response>;

/** Answers while there is nothing yet to answer from: a service listens before it starts, so that others know where it is. */
export class Gate {
  #handler: Handler | undefined;

  readonly handle: Handler = async (request) => {
    if (this.#handler) return await this.#handler(request);
    if (new URL(request.url).pathname === "/livez") return livez();
    return problem(503, { detail: "Cannot answer yet: the service is starting", code: "TIDEMARK_NOT_READY" });
  };

  /** From now on this handler answers. */
  open(handler: Handler): void {
    this.#handler = handler;
  }
}
