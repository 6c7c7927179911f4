/** Answers that tell an error, in the shapes that kafkajs 2.2.4 asks for. */
import { Buffer } from "node:buffer";
import { answerFrame, type Api, type Request } from "./request.ts";

/** Reads the body of a request. */
class Body {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  skip(count: number): this {
    this.#at += count;
    return this;
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.skip(4).#at - 4);
  }

  skipString(): this {
    const length = this.#bytes.readInt16BE(this.#at);
    return this.skip(2 + Math.max(0, length));
  }

  skipBytes(): this {
    return this.skip(Math.max(0, this.int32()));
  }

  /** A string as it stands, with its length. */
  rawString(): Buffer {
    const from = this.#at;
    return this.#bytes.subarray(from, this.skipString().#at);
  }

  array<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item);
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** So many bytes of minus one, or of a null string (2), null bytes or a null array (4). */
const none = (bytes: number): Buffer => Buffer.alloc(bytes, 0xff);
const zero = (bytes: number): Buffer => Buffer.alloc(bytes);
/** The throttle time, from the version on that has one. */
const throttle = (version: number, from: number): Buffer => zero(version >= from ? 4 : 0);

/** For every topic and partition of a request: its number, the code, and what follows. */
function perPartition(body: Body, skipRest: () => void, code: number, rest: Buffer): Buffer {
  const topics = body.array(() => {
    const name = body.rawString();
    const partitions = body.array(() => {
      const partition = int32(body.int32());
      skipRest();
      return Buffer.concat([partition, int16(code), rest]);
    });
    return Buffer.concat([name, int32(partitions.length), ...partitions]);
  });
  return Buffer.concat([int32(topics.length), ...topics]);
}

interface Shape {
  readonly versions: readonly [least: number, most: number];
  answer(code: number, version: number, body: Body): readonly Buffer[];
}

const SHAPES: Partial<Readonly<Record<Api, Shape>>> = {
  Produce: {
    versions: [3, 7],
    answer: (code, version, body) => {
      body.skipString().skip(6);
      return [perPartition(body, () => body.skipBytes(), code, none(version >= 5 ? 24 : 16)), zero(4)];
    },
  },
  Fetch: {
    versions: [4, 11],
    answer: (code, version, body) => {
      body.skip(version >= 7 ? 25 : 17);
      const partitionBytes = 12 + (version >= 5 ? 8 : 0) + (version >= 9 ? 4 : 0);
      const rest = Buffer.concat([none(version >= 5 ? 24 : 16), none(4), none(version >= 11 ? 4 : 0), zero(4)]);
      const topics = perPartition(body, () => body.skip(partitionBytes), code, rest);
      return [zero(4), zero(version >= 7 ? 6 : 0), topics];
    },
  },
  ListOffsets: {
    versions: [1, 3],
    answer: (code, version, body) => {
      body.skip(version >= 2 ? 5 : 4);
      return [throttle(version, 2), perPartition(body, () => body.skip(8), code, none(16))];
    },
  },
  OffsetFetch: { versions: [2, 4], answer: (code, version) => [throttle(version, 3), zero(4), int16(code)] },
  FindCoordinator: {
    versions: [0, 2],
    answer: (code, version) => [
      ...[throttle(version, 1), int16(code), none(version >= 1 ? 2 : 0)],
      ...[none(4), zero(2), none(4)],
    ],
  },
  JoinGroup: {
    versions: [0, 5],
    answer: (code, version) => [throttle(version, 2), int16(code), none(4), zero(2), zero(2), zero(2), zero(4)],
  },
  Heartbeat: { versions: [0, 3], answer: (code, version) => [throttle(version, 1), int16(code)] },
  LeaveGroup: {
    versions: [0, 3],
    answer: (code, version) => [throttle(version, 1), int16(code), zero(version >= 3 ? 4 : 0)],
  },
  SyncGroup: { versions: [0, 3], answer: (code, version) => [throttle(version, 1), int16(code), zero(4)] },
  InitProducerId: { versions: [0, 1], answer: (code) => [zero(4), int16(code), none(8), none(2)] },
  AddPartitionsToTxn: {
    versions: [0, 1],
    answer: (code, _, body) => {
      body.skipString().skip(10);
      return [zero(4), perPartition(body, () => {}, code, zero(0))];
    },
  },
  AddOffsetsToTxn: { versions: [0, 1], answer: (code) => [zero(4), int16(code)] },
  EndTxn: { versions: [0, 1], answer: (code) => [zero(4), int16(code)] },
  TxnOffsetCommit: {
    versions: [0, 1],
    answer: (code, _, body) => {
      body.skipString().skipString().skip(10);
      return [zero(4), perPartition(body, () => body.skip(8).skipString(), code, zero(0))];
    },
  },
};

/** The first and the last version of a request whose error answer is known; undefined if none is. */
export function versionsOf(api: Api): readonly [least: number, most: number] | undefined {
  return SHAPES[api]?.versions;
}

/** The answer to a request that tells an error code for all it asks for. Throws an Error for versions not known here. */
export function errorAnswer(request: Request, frame: Buffer, code: number): Buffer {
  const shape = request.api && SHAPES[request.api];
  const [least, most] = shape?.versions ?? [0, -1];
  if (shape === undefined || request.version < least || request.version > most) {
    throw new Error(
      `The proxy cannot answer ${request.api} of version ${request.version}: it knows ${least} to ${most}`,
    );
  }
  const body = new Body(frame, request.headBytes);
  return answerFrame(request.correlationId, Buffer.concat(shape.answer(code, request.version, body)));
}
