/**
 * Requests that are ours: those that carry records, because kafkajs keeps neither order nor repetition of headers, and one
 * that it does not offer.
 */

import type { Buffer } from "node:buffer";
import { BytesIn, BytesOut } from "./bytes.ts";

/** A request as kafkajs' connections send it. */
export interface Request<R> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: {
    readonly decode: (body: Buffer) => Promise<R>;
    readonly parse: (response: R) => Promise<R>;
  };
  readonly requestTimeout?: number;
}

/** The versions spoken here, and the Kafka that first had them. */
export const VERSIONS = { produce: { key: 0, version: 7 }, fetch: { key: 1, version: 11 }, since: "2.3" } as const;

/** A batch for one partition. */
interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly batch: Uint8Array;
}

/** What became of a batch. */
interface Produced {
  readonly errorCode: number;
  /** The offset of its first record. */
  readonly baseOffset: number;
}

/** Produce, version 7, of one batch, acknowledged by all replicas in sync. */
export function produceRequest(
  transactionalId: string | null,
  { topic, partition, batch }: PartitionBatch,
  timeoutMs: number,
): Request<Produced> {
  const encode = async () =>
    new BytesOut().string(transactionalId).int16(-1).int32(timeoutMs)
      .int32(1).string(topic).int32(1).int32(partition).bytes(batch).done();
  const decode = async (body: Buffer) => {
    const bytes = new BytesIn(body);
    const [produced] = bytes.array(() => {
      bytes.string();
      return bytes.array(() => {
        bytes.int32();
        const found = { errorCode: bytes.int16(), baseOffset: bytes.int64() };
        bytes.int64();
        bytes.int64();
        return found;
      });
    }).flat();
    return produced!;
  };
  return plain(VERSIONS.produce, "Produce", encode, decode);
}

/** From where to read a partition. */
interface FetchFrom {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What was found in one partition. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** The position after the last record that belongs to no open transaction. */
  readonly lastStableOffset: number;
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  /** Whole record batches, and perhaps a part of one at the end. */
  readonly records: Uint8Array;
}

/** Fetch, version 11, read_committed, without a session. */
export function fetchRequest(
  from: readonly FetchFrom[],
  { waitMs, maxBytes, partitionBytes }: { waitMs: number; maxBytes: number; partitionBytes: number },
): Request<Fetched[]> {
  const topics = [...Map.groupBy(from, ({ topic }) => topic)];
  const encode = async () => {
    const out = new BytesOut().int32(-1).int32(waitMs).int32(1).int32(maxBytes).int8(1).int32(0).int32(-1);
    out.array(topics, ([topic, partitions]) => {
      out.string(topic).array(partitions, ({ partition, offset }) => {
        out.int32(partition).int32(-1).int64(offset).int64(-1).int32(partitionBytes);
      });
    });
    return out.int32(0).string("").done();
  };
  const decode = async (body: Buffer) => readFetched(new BytesIn(body));
  return plain(VERSIONS.fetch, "Fetch", encode, decode);
}

function readFetched(bytes: BytesIn): Fetched[] {
  bytes.int32();
  const errorCode = bytes.int16();
  bytes.int32();
  return bytes.array(() => {
    const topic = bytes.string();
    return bytes.array(() => {
      const partition = bytes.int32();
      const partitionError = bytes.int16();
      bytes.int64();
      const lastStableOffset = bytes.int64();
      bytes.int64();
      const aborted = bytes.array(() => ({ producerId: bytes.int64(), firstOffset: bytes.int64() }));
      bytes.int32();
      const records = bytes.bytes();
      return { topic, partition, errorCode: errorCode || partitionError, lastStableOffset, aborted, records };
    });
  }).flat();
}

/** A group's committed positions, as they stand; an offset of -1 is none. */
interface CommittedPositions {
  readonly errorCode: number;
  readonly positions: readonly (FetchFrom & { readonly errorCode: number })[];
}

/** OffsetFetch, version 3, of every topic. */
export function offsetFetchRequest(group: string): Request<CommittedPositions> {
  const encode = async () => new BytesOut().string(group).int32(-1).done();
  const decode = async (body: Buffer) => {
    const bytes = new BytesIn(body);
    bytes.int32();
    const positions = bytes.array(() => {
      const topic = bytes.string();
      return bytes.array(() => {
        const [partition, offset] = [bytes.int32(), bytes.int64()];
        bytes.string();
        return { topic, partition, offset, errorCode: bytes.int16() };
      });
    }).flat();
    return { errorCode: bytes.int16(), positions };
  };
  return plain<CommittedPositions>({ key: 9, version: 3 }, "OffsetFetch", encode, decode);
}

function plain<R>(
  { key: apiKey, version: apiVersion }: { key: number; version: number },
  apiName: string,
  encode: Request<R>["request"]["encode"],
  decode: Request<R>["response"]["decode"],
): Request<R> {
  return {
    request: { apiKey, apiVersion, apiName, encode },
    response: { decode, parse: async (response) => response },
  };
}
