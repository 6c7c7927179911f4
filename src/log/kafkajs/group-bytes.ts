/** What the members of a group tell each other through Kafka, in the layout its own tools can read. */

import { Buffer } from "node:buffer";
import type { Assignment } from "../log.ts";
import { BytesIn, BytesOut } from "./bytes.ts";

/** What a member tells whoever shares the tasks out. */
interface Told {
  readonly topics: readonly string[];
  readonly address: string;
  readonly owned: readonly string[];
}

export function memberBytes({ topics, address, owned }: Told): Uint8Array {
  const data = Buffer.from(JSON.stringify({ address, owned }));
  const out = new BytesOut().int16(0);
  return out.array(topics, (topic) => void out.string(topic)).bytes(data).done().buffer;
}

export function memberOf(metadata: Uint8Array): Omit<Told, "topics"> {
  const bytes = new BytesIn(Buffer.from(metadata));
  bytes.int16();
  bytes.array(() => bytes.string());
  return JSON.parse(new TextDecoder().decode(bytes.bytes()));
}

export function assignmentBytes(own: readonly string[], addresses: ReadonlyMap<string, string>): Uint8Array {
  const data = Buffer.from(JSON.stringify({ own, addresses: [...addresses] }));
  return new BytesOut().int16(0).int32(0).bytes(data).done().buffer;
}

export function assignmentOf(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return { own: new Set(), addresses: new Map() };
  const input = new BytesIn(Buffer.from(bytes));
  input.int16();
  input.int32();
  const { own, addresses } = JSON.parse(new TextDecoder().decode(input.bytes()));
  return { own: new Set(own), addresses: new Map(addresses) };
}
