import { Buffer } from "node:buffer";
import type { ByteSource } from "./byte-source.ts";

/** The requests that the proxy knows by name, with the key each has on the wire. */
export const API_KEYS = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  WriteTxnMarkers: 27,
  TxnOffsetCommit: 28,
  SaslAuthenticate: 36,
} as const;

/** The name of a request. */
export type Api = keyof typeof API_KEYS;

const NAMES: ReadonlyMap<number, Api> = new Map(Object.entries(API_KEYS).map(([name, key]) => [key, name as Api]));
/** Size, key, version, correlation id and the length of the client id. */
const FIXED_BYTES = 14;

/** What stands before the body of a request. */
export interface Request {
  /** Undefined if the key has no name here. */
  readonly api: Api | undefined;
  readonly version: number;
  readonly correlationId: number;
  /** Empty if the client gave none. */
  readonly clientId: string;
  /** Size of the whole frame in bytes, with the four that tell it. */
  readonly frameBytes: number;
  /** Size of what stands before the body, in bytes. */
  readonly headBytes: number;
}

/** Looks at the request that comes next, and leaves it to be read; undefined when there is none. */
export async function peekRequest(source: ByteSource): Promise<Request | undefined> {
  const fixed = await source.peek(FIXED_BYTES);
  if (fixed === undefined) return undefined;
  const headBytes = FIXED_BYTES + Math.max(0, fixed.readInt16BE(12));
  const head = await source.peek(headBytes);
  if (head === undefined) return undefined;
  return {
    api: NAMES.get(head.readInt16BE(4)),
    version: head.readInt16BE(6),
    correlationId: head.readInt32BE(8),
    clientId: head.toString("utf8", FIXED_BYTES),
    frameBytes: 4 + head.readInt32BE(0),
    headBytes,
  };
}

/** A frame: its size, a correlation id, and what follows. */
export function answerFrame(correlationId: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
}
