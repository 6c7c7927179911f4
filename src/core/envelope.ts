/**
 * What travels with a record through a repartition topic, in one header: where the record came from and the watermark of
 * its source partition as it stood just before it. What an actor emitted also brings how far its task had come. Markers,
 * records without key and value, carry a watermark alone. Messages between actors carry none. Behind that header stand those
 * of the carrying record itself: the original key, and its own trace context.
 */
import type { Header, LogRecord, NewRecord, TopicPartition } from "./record.ts";
import { traceHeader } from "./trace-context.ts";
import { watermarkFromJson, type WatermarkJson, watermarkToJson } from "./watermark.ts";

const ENVELOPE = "tidemark";
const ORIGINAL_KEY = "tidemark.key";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A record on its way to the actor of its key. */
export interface Forwarded {
  /** Index of the source in the actor's sources. */
  readonly source: number;
  /** The source partition the record was read from, and its offset there. */
  readonly channel: TopicPartition;
  readonly offset: number;
  /** Decides about lateness: the watermark of the source partition, just before the record that it goes back to. */
  readonly before: number;
  /** How often the record has been tried, this time included, if it was a dead letter and is sent back. */
  readonly attempts?: number;
}

/** What an actor emitted, on its way to those that listen to it. */
interface Emission extends Omit<Forwarded, "offset" | "attempts"> {
  /** The output watermark of the actor when it was emitted. */
  readonly watermark: number;
}

/** What the first field of an envelope is, where it is not the index of a source. */
const MESSAGE = -1;
const EMISSION = -2;

/** How far a channel has come. */
export interface Marker {
  readonly channel: TopicPartition;
  /** How many partitions the channel's topic has: all of them must be heard. */
  readonly channels: number;
  readonly watermark: number;
  readonly isIdle: boolean;
}

/** The record that carries another to the partition of `key`. */
export function forward(record: LogRecord, key: string, about: Forwarded): NewRecord {
  const { source, channel, offset, before, attempts } = about;
  const json = [source, channel.topic, channel.partition, offset, watermarkToJson(before)];
  if (attempts !== undefined) json.push(attempts);
  const headers: Header[] = [...record.headers, [ENVELOPE, encoder.encode(JSON.stringify(json))]];
  if (record.key) headers.push([ORIGINAL_KEY, record.key]);
  return { key, value: record.value, timestamp: record.timestamp, headers };
}

/** The record that carries what an actor emitted to the partition of `key`. */
export function emission(value: string, key: string, time: number, about: Emission): NewRecord {
  const { source, channel, before, watermark } = about;
  const json = [
    EMISSION,
    source,
    channel.topic,
    channel.partition,
    watermarkToJson(before),
    watermarkToJson(watermark),
  ];
  return { key, value, timestamp: time, headers: [[ENVELOPE, encoder.encode(JSON.stringify(json))]] };
}

/** The record that carries a message to the partition of an actor's key. */
export function message(event: string, key: string, time: number): NewRecord {
  return { key, value: event, timestamp: time, headers: [[ENVELOPE, encoder.encode(JSON.stringify([MESSAGE]))]] };
}

/** The record that tells a partition of a repartition topic how far a channel has come. */
export function marker({ channel, channels, watermark, isIdle }: Marker, timestamp: number): NewRecord {
  const json = [channel.topic, channel.partition, channels, watermarkToJson(watermark), isIdle];
  return { key: null, value: null, timestamp, headers: [[ENVELOPE, encoder.encode(JSON.stringify(json))]] };
}

/** What a record of a repartition topic is; a forwarded one comes with the record as it was, at its old offset. */
type Opened =
  | { readonly kind: "marker"; readonly marker: Marker }
  | {
    readonly kind: "forwarded";
    readonly about: Forwarded;
    readonly key: string;
    readonly original: LogRecord;
    /** The trace context of the record that carried it. */
    readonly carrier: Header | undefined;
  }
  | { readonly kind: "emission"; readonly about: Emission; readonly key: string; readonly carrier: Header | undefined }
  | { readonly kind: "message"; readonly key: string };

/** Opens a record of a repartition topic; the inverse of what makes them. */
export function open(record: LogRecord): Opened {
  const at = record.headers.findLastIndex(([name]) => name === ENVELOPE);
  const json = JSON.parse(decoder.decode(record.headers[at]![1]));
  if (record.key === null) {
    const [topic, partition, channels, watermark, isIdle] = json as [string, number, number, WatermarkJson, boolean];
    return {
      kind: "marker",
      marker: { channel: { topic, partition }, channels, watermark: watermarkFromJson(watermark), isIdle },
    };
  }
  const [source, topic, partition, offset, before, attempts] = json as [
    number,
    string,
    number,
    number,
    WatermarkJson,
    number?,
  ];
  if (source === MESSAGE) return { kind: "message", key: decoder.decode(record.key) };
  const own = record.headers.slice(at + 1);
  const carrier = traceHeader(own);
  if (source === EMISSION) return { ...openEmission(json), key: decoder.decode(record.key), carrier };
  return {
    kind: "forwarded",
    about: {
      source,
      channel: { topic, partition },
      offset,
      before: watermarkFromJson(before),
      ...(attempts !== undefined && { attempts }),
    },
    key: decoder.decode(record.key),
    original: {
      offset,
      timestamp: record.timestamp,
      key: own.find(([name]) => name === ORIGINAL_KEY)?.[1] ?? null,
      value: record.value,
      headers: record.headers.slice(0, at),
    },
    carrier,
  };
}

function openEmission(json: unknown): { readonly kind: "emission"; readonly about: Emission } {
  const [, source, topic, partition, before, watermark] = json as [
    number,
    number,
    string,
    number,
    WatermarkJson,
    WatermarkJson,
  ];
  const about = {
    source,
    channel: { topic, partition },
    before: watermarkFromJson(before),
    watermark: watermarkFromJson(watermark),
  };
  return { kind: "emission", about };
}
