/**
 * Serves a handler over node:http, on Node and on Deno: one code path, because Deno.serve has no limits on headers, time
 * or connections.
 */

import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Code, reasonOf, TidemarkError } from "../core/errors.ts";
import { problem, problemText, titleOf } from "../http/problem.ts";
import { requestOf } from "./request.ts";

/** What one client, or all of them, may take of a service. */
export const SERVER_LIMITS = {
  /** Of a request's line and headers together: a key of 16 KiB fits, %-encoded. In bytes. */
  headerBytes: 65_536,
  /** Until the headers of a request have arrived. */
  headersMs: 10_000,
  /** Until all of a request has arrived. */
  requestMs: 30_000,
  /** Until the next request on a connection that is kept open. Node and Deno add up to a second. */
  keepAliveMs: 5_000,
  /** Without a byte in either direction: a client that does not take its answer. */
  stalledMs: 60_000,
  /**
   * Open at the same time. One more takes the place of the one that is open longest with no request under way, else of one that
   * is still sending its request; where all are being answered, it is closed.
   */
  connections: 1_000,
  /** How often the times are looked at. */
  checkMs: 1_000,
} as const;

/** How long the rest of a request is let in that was answered before its end. */
const LINGER_MS = 2_000;

/** The same names, with any values. */
export type ServerLimits = { readonly [name in keyof typeof SERVER_LIMITS]: number };

type Handler = (request: Request) => Promise<Response>;

/** Where to listen. */
export interface Address {
  readonly hostname: string;
  /** 0 takes any free one. */
  readonly port: number;
}

/** A server that listens. */
export interface Server {
  /** Where it does, as in `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Resolves when the requests that are under way now are answered, or `deadlineMs` have passed. New ones are still taken. */
  drain(deadlineMs: number): Promise<void>;
  /** Takes no new requests, and resolves when those under way are answered or `deadlineMs` have passed, then broken off. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Listens and answers with a handler.
 * @throws TIDEMARK_ADDRESS_IN_USE, TIDEMARK_OPTION_INVALID when the address is not one of this machine
 */
export async function listen(
  handler: Handler,
  address: Address,
  limits: ServerLimits = SERVER_LIMITS,
): Promise<Server> {
  const http = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkMs,
  });
  http.timeout = limits.stalledMs;
  const conversations = new Conversations(http, handler, limits.connections);
  await bind(http, address);
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://${urlHost(address.hostname)}:${port}`,
    drain: (deadlineMs) => conversations.drain(deadlineMs),
    close: (deadlineMs) => conversations.close(deadlineMs),
  };
}

/** All connections of a server, and what is said on them. */
class Conversations {
  readonly #http: HttpServer;
  readonly #handler: Handler;
  readonly #sockets = new Set<Duplex>();
  /** The requests under way, with their ends. */
  readonly #busy = new Map<ServerResponse, Promise<void>>();
  readonly #limit: number;

  constructor(http: HttpServer, handler: Handler, limit: number) {
    this.#http = http;
    this.#handler = handler;
    this.#limit = limit;
    http.on("connection", (socket) => {
      if (this.#sockets.size >= this.#limit && !this.#makeRoom()) return void socket.destroy();
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    http.on("request", (incoming, outgoing) => {
      this.#busy.set(outgoing, this.#serve(incoming, outgoing));
    });
    http.on("clientError", refuse);
  }

  /** Ends the oldest connection that is of no use now, so that those who only hold connections keep nobody out. */
  #makeRoom(): boolean {
    const busy = this.#busySockets();
    const answered = new Set([...this.#busy.keys()].flatMap(({ req }) => req.complete ? [req.socket] : []));
    const all = [...this.#sockets];
    const socket = all.find((one) => !busy.has(one)) ?? all.find((one) => !answered.has(one as Socket));
    if (!socket) return false;
    this.#sockets.delete(socket);
    socket.destroy();
    return true;
  }

  #busySockets(): ReadonlySet<Duplex> {
    return new Set([...this.#busy.keys()].map(({ req }) => req.socket));
  }

  async drain(deadlineMs: number): Promise<void> {
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const deadline = setTimeout(resolve, deadlineMs);
    await Promise.race([Promise.all(this.#busy.values()), tooLate]);
    clearTimeout(deadline);
  }

  async close(deadlineMs: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#http.close(() => resolve());
    const busy = this.#busySockets();
    for (const socket of this.#sockets) if (!busy.has(socket)) socket.destroy();
    const deadline = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, deadlineMs);
    await closed;
    clearTimeout(deadline);
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const response = await this.#answer(incoming);
      if (!incoming.complete || !this.#http.listening) outgoing.shouldKeepAlive = false;
      await send(response, incoming, outgoing);
    } catch {
      // The client is gone, or the answer broke off: a connection that ends in between tells the client so.
      outgoing.destroy();
    }
    this.#busy.delete(outgoing);
    if (!this.#http.listening) incoming.socket.end();
  }

  async #answer(incoming: IncomingMessage): Promise<Response> {
    const request = requestOf(incoming);
    if (request) return await this.#handler(request);
    const detail = "Cannot understand the request: its URL or method is not one of HTTP";
    return problem(400, { detail, code: "TIDEMARK_REQUEST_INVALID" });
  }
}

async function bind(server: HttpServer, { hostname, port }: Address): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  try {
    server.listen(port, hostname, resolve);
    await promise;
  } catch (cause) {
    const where = `${urlHost(hostname)}:${port}`;
    if ((cause as { code?: unknown }).code === "EADDRINUSE") {
      const message = `Cannot listen on ${where}: another process does; stop it, or listen on another port`;
      throw new TidemarkError("TIDEMARK_ADDRESS_IN_USE", message, { cause, retry: true });
    }
    const message = `Cannot listen on ${where}: ${
      reasonOf(cause)
    }; give an address of this machine and a port from 0 to 65535`;
    throw new TidemarkError("TIDEMARK_OPTION_INVALID", message, { cause });
  } finally {
    server.off("error", reject);
  }
}

async function send(response: Response, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, [...response.headers].flat());
  if (response.body && !response.headers.has("content-length")) return await pipeline(response.body, outgoing);
  outgoing.write(new Uint8Array(await response.arrayBuffer()));
  if (!incoming.complete) await dropRest(incoming);
  outgoing.end();
}

/**
 * Lets the rest of a request come that was answered early, and forgets it: to a client that is still sending, a connection
 * that is closed looks as if it had broken before there was an answer.
 */
async function dropRest(incoming: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(resolve, LINGER_MS);
  incoming.removeAllListeners("data").on("close", resolve).on("end", resolve).resume();
  await promise;
  clearTimeout(deadline);
}

function urlHost(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** What is told of a request that never came to the handler. */
const REFUSALS: Readonly<Record<string, readonly [status: number, detail: string, code: Code]>> = {
  HPE_HEADER_OVERFLOW: [431, "its line and headers take more than they may", "TIDEMARK_REQUEST_TOO_LARGE"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "it has not come in time", "TIDEMARK_REQUEST_INVALID"],
};

/** Answers what is no request of HTTP, or takes too much or too long. */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const otherwise = [400, "it is not one of HTTP", "TIDEMARK_REQUEST_INVALID"] as const;
  const [status, found, code] = REFUSALS[error.code ?? ""] ?? otherwise;
  const body = problemText(status, { detail: `Cannot understand the request: ${found}`, code });
  const about = `content-type: application/problem+json\r\ncontent-length: ${body.length}`;
  socket.end(`HTTP/1.1 ${status} ${titleOf(status)}\r\nconnection: close\r\n${about}\r\n\r\n${body}`);
}
