import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ByteSource } from "./byte-source.ts";
import { errorAnswer } from "./error-answer.ts";
import { peekRequest, type Request } from "./request.ts";
import type { Due } from "./rule.ts";

/** The codes of errors that say no more than that a connection is gone. */
const NETWORK = /^(?:E[A-Z]+|ABORT_ERR|ERR_STREAM_[A-Z_]+)$/;

/** What a connection asks of its proxy. */
export interface Host {
  /** Aborts when the proxy closes. */
  readonly closing: AbortSignal;
  /** While the proxy is stalled: resolves when bytes may flow. */
  readonly stall: Promise<void> | undefined;
  /** Counts a request, and draws its fault. */
  meet(request: Request): Due | undefined;
  /** Takes an error that no network explains. */
  fail(error: unknown): void;
}

/** A request whose answer has not gone out. */
interface Pending {
  readonly correlationId: number;
  readonly due: Due | undefined;
  /** The answer to give in place of the broker's. */
  readonly answer?: Buffer;
  /** Whether the broker was not asked. */
  readonly isOurs?: boolean;
}

/** A client's connection and the proxy's own to the broker, which answers a connection's requests in their order. */
export class Connection {
  /** Resolves when both ends are closed. */
  readonly done: Promise<unknown>;
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #host: Host;
  readonly #pending: Pending[] = [];

  constructor(client: Socket, broker: Socket, host: Host) {
    this.#client = client;
    this.#broker = broker;
    this.#host = host;
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // reading fails with it
    }
    this.done = Promise.all([this.#pump(this.#requests(), broker), this.#pump(this.#answers(), client)]);
  }

  /** Closes both ends at once. */
  destroy(): void {
    this.#client.destroy();
    this.#broker.destroy();
  }

  /** Runs one way to its end; then no more can come out of it. */
  async #pump(way: Promise<void>, out: Socket): Promise<void> {
    try {
      await way;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!NETWORK.test(code)) {
        this.#host.fail(error);
        this.destroy();
      }
    }
    if (out === this.#client) out.destroySoon();
    else out.end();
  }

  async #requests(): Promise<void> {
    const source = new ByteSource(this.#client);
    while (!this.#broker.destroyed) {
      const request = await peekRequest(source);
      if (request === undefined) return;
      await this.#request(request, source);
    }
  }

  async #request(request: Request, source: ByteSource): Promise<void> {
    const { correlationId, frameBytes } = request;
    const due = this.#host.meet(request);
    const fault = due?.fault;
    let answer: Buffer | undefined;
    if (fault?.kind === "dropBefore") {
      this.destroy();
      return due?.happened();
    }
    if (fault?.kind === "answerInstead" || fault?.kind === "answerAlthoughDone") {
      const frame = await source.peek(frameBytes);
      if (frame === undefined) return;
      answer = errorAnswer(request, frame, fault.code);
    }
    if (fault?.kind === "answerInstead") {
      await source.read(frameBytes);
      this.#pending.push({ correlationId, due, answer: answer!, isOurs: true });
      return this.#sendOurs();
    }
    if (fault?.kind === "delay") {
      due?.happened();
      await this.#wait(fault.wait);
    }
    this.#pending.push({ correlationId, due, ...(answer && { answer }) });
    await this.#pass(source, frameBytes, this.#broker);
  }

  async #answers(): Promise<void> {
    const source = new ByteSource(this.#broker);
    while (!this.#broker.destroyed) {
      const head = await source.peek(8);
      if (head === undefined) return;
      const pending = await this.#answered(head.readInt32BE(4));
      await this.#answer(4 + head.readInt32BE(0), source, pending);
      if (pending !== undefined) this.#pending.shift();
      await this.#sendOurs();
    }
  }

  /** The request that the broker has answered, which is now the first; those before it will have no answer of its. */
  async #answered(correlationId: number): Promise<Pending | undefined> {
    const isAnswered = (pending: Pending) => !pending.isOurs && pending.correlationId === correlationId;
    if (!this.#pending.some(isAnswered)) return undefined;
    while (!isAnswered(this.#pending[0]!)) {
      if (!this.#pending[0]!.isOurs) this.#pending.shift();
      await this.#sendOurs();
    }
    return this.#pending[0];
  }

  async #answer(frameBytes: number, source: ByteSource, pending: Pending | undefined): Promise<void> {
    const due = pending?.due;
    const fault = due?.fault;
    switch (fault?.kind) {
      case "dropAfter":
      case "withhold":
      case "cut":
      case "answerAlthoughDone": {
        const frame = await source.read(frameBytes);
        if (frame === undefined) return;
        if (fault.kind === "dropAfter") this.destroy();
        if (fault.kind === "answerAlthoughDone") await this.#send(this.#client, pending!.answer!);
        if (fault.kind === "cut") {
          await this.#send(this.#client, frame.subarray(0, frameBytes >> 1));
          this.#client.destroySoon();
          this.#broker.destroy();
        }
        return due?.happened();
      }
      case "delayAnswer":
        due?.happened();
        await this.#wait(fault.wait);
    }
    await this.#pass(source, frameBytes, this.#client);
  }

  /** Sends the answers of the proxy's own whose turn it is. */
  async #sendOurs(): Promise<void> {
    while (this.#pending[0]?.isOurs) {
      const { answer, due } = this.#pending.shift()!;
      await this.#send(this.#client, answer!);
      due?.happened();
    }
  }

  /** Forwards a frame piece by piece as it comes. */
  async #pass(source: ByteSource, frameBytes: number, to: Socket): Promise<void> {
    for (let left = frameBytes; left > 0;) {
      const piece = await source.take(left);
      if (piece === undefined) return;
      await this.#send(to, piece);
      left -= piece.length;
    }
  }

  /** Writes, and waits while the socket is full. What is sent to a closed socket is lost, as on a network. */
  async #send(to: Socket, bytes: Buffer): Promise<void> {
    while (this.#host.stall !== undefined) await this.#host.stall;
    if (to.destroyed || to.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const go = () => {
        to.off("drain", go).off("close", go);
        resolve();
      };
      to.on("drain", go).on("close", go);
    });
  }

  async #wait(wait: number | Promise<unknown>): Promise<void> {
    const { closing } = this.#host;
    if (typeof wait === "number") return sleep(wait, undefined, { signal: closing });
    const closed = new Promise<void>((resolve) => closing.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([wait, closed]);
  }
}
