/** Kafka's primitive types, as far as the requests that are ours need them. */

import { Buffer } from "node:buffer";

/** Writes a request's body. */
export class BytesOut {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;

  int8(value: number): this {
    this.#reserve(1);
    this.#length = this.#bytes.writeInt8(value, this.#length);
    return this;
  }

  int16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeInt16BE(value, this.#length);
    return this;
  }

  int32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeInt32BE(value, this.#length);
    return this;
  }

  /** A whole number within ±2^53. */
  int64(value: number): this {
    return this.int32(Math.floor(value / 2 ** 32)).int32(value | 0);
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const content = Buffer.from(value);
    return this.int16(content.length).#raw(content);
  }

  bytes(value: Uint8Array): this {
    return this.int32(value.length).#raw(value);
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** What kafkajs takes for an encoder. */
  done(): { readonly buf: Buffer; readonly buffer: Buffer } {
    const buffer = this.#bytes.subarray(0, this.#length);
    return { buf: buffer, buffer };
  }

  #raw(content: Uint8Array): this {
    this.#reserve(content.length);
    this.#bytes.set(content, this.#length);
    this.#length += content.length;
    return this;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#length + count, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads a response's body. Reading past the end throws a RangeError. */
export class BytesIn {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): number {
    this.#at += 8;
    return this.#bytes.readInt32BE(this.#at - 8) * 2 ** 32 + this.#bytes.readUInt32BE(this.#at - 4);
  }

  /** Empty where there is null. */
  string(): string {
    const length = Math.max(0, this.int16());
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  /** A window on the response; empty where there is null. */
  bytes(): Uint8Array {
    const length = Math.max(0, this.int32());
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("a response ends too early");
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  array<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read);
  }
}
