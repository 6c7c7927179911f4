/** A broker and a client that speak nothing of Kafka but its frames. They know nothing of the proxy. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A request as it was sent or has come. */
export interface Asked {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
  readonly body: Buffer;
}

/** The frame of a request. */
export function requestFrame({ key, version, correlationId, clientId, body }: Asked): Buffer {
  const head = Buffer.alloc(14 + Buffer.byteLength(clientId));
  head.writeInt32BE(head.length - 4 + body.length, 0);
  head.writeInt16BE(key, 4);
  head.writeInt16BE(version, 6);
  head.writeInt32BE(correlationId, 8);
  head.writeInt16BE(head.length - 14, 12);
  head.write(clientId, 14);
  return Buffer.concat([head, body]);
}

function readRequest(frame: Buffer): Asked {
  const bodyAt = 14 + frame.readInt16BE(12);
  const [key, version, correlationId] = [frame.readInt16BE(4), frame.readInt16BE(6), frame.readInt32BE(8)];
  return { key, version, correlationId, clientId: frame.toString("utf8", 14, bodyAt), body: frame.subarray(bodyAt) };
}

/** Tells every whole frame that a socket receives. */
function onFrame(socket: Socket, take: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
  socket.on("error", () => {});
}

/** Writes byte by byte, each on its own. */
export async function trickle(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
}

/** A server that answers a request with the request's own body. */
export class FakeBroker {
  /** The requests that have come, in the order they came. */
  readonly asked: Asked[] = [];
  /** Whether a request has an answer. */
  answers: (asked: Asked) => boolean = () => true;
  /** Whether answers are written byte by byte. */
  isSlow = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #came = Promise.withResolvers<void>();

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Starts to listen; where. */
  async listen(): Promise<string> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when so many requests have come. */
  async hasCome(count: number): Promise<void> {
    while (this.asked.length < count) await this.#came.promise;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    let written = Promise.resolve();
    onFrame(socket, (frame) => {
      const asked = readRequest(frame);
      this.asked.push(asked);
      this.#came.resolve();
      this.#came = Promise.withResolvers();
      if (!this.answers(asked)) return;
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + asked.body.length, 0);
      head.writeInt32BE(asked.correlationId, 4);
      const answer = Buffer.concat([head, asked.body]);
      written = written.then(() => this.isSlow ? trickle(socket, answer) : void socket.write(answer));
    });
  }
}

/** A client's connection that keeps all it receives. */
export class FakeClient {
  readonly socket: Socket;
  /** Resolves when the connection is closed, by whomever. */
  readonly closed: Promise<void>;
  /** How many bytes have come. */
  bytes = 0;
  readonly #clientId: string;
  readonly #answers: Buffer[] = [];
  #came = Promise.withResolvers<void>();
  #isClosed = false;
  #asked = 0;

  constructor(socket: Socket, clientId: string) {
    this.socket = socket;
    this.#clientId = clientId;
    socket.on("data", (chunk: Buffer) => this.bytes += chunk.length);
    onFrame(socket, (frame) => {
      this.#answers.push(frame);
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      })
    );
  }

  /** Connects, or throws what the network says. */
  static async connect(port: number, clientId = "a client"): Promise<FakeClient> {
    const socket = connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    return new FakeClient(socket, clientId);
  }

  /** The frame of the next request; correlation ids count from 1. */
  frame(key: number, body: string | Buffer = "", version = 1): Buffer {
    this.#asked += 1;
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    return requestFrame({ key, version, correlationId: this.#asked, clientId: this.#clientId, body: bytes });
  }

  /** Sends the next request. */
  send(key: number, body: string | Buffer = "", version = 1): void {
    this.socket.write(this.frame(key, body, version));
  }

  /** The next answer: its correlation id and body. Undefined when the connection closes first. */
  async answer(): Promise<{ id: number; body: Buffer } | undefined> {
    while (this.#answers.length === 0 && !this.#isClosed) await this.#came.promise;
    const frame = this.#answers.shift();
    return frame && { id: frame.readInt32BE(4), body: frame.subarray(8) };
  }

  #wake(): void {
    this.#came.resolve();
    this.#came = Promise.withResolvers();
  }
}
