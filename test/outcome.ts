/** What an app has come to, as lines of text that can be compared byte for byte. */
import type { Runtime } from "../src/runtime/runtime.ts";

const text = new TextDecoder();

/** All committed states of an actor, sorted. */
export async function statesOf(runtime: Runtime, actor: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const state of runtime.scan(actor)) lines.push(JSON.stringify(state));
  return lines.sort();
}

/** All records of a topic, sorted: key, timestamp and value, whatever their partition and offset. */
export async function recordsOf(runtime: Runtime, topic: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { key, value, timestamp } of runtime.read(topic)) {
    lines.push(`${key && text.decode(key)} ${timestamp} ${value && text.decode(value)}`);
  }
  return lines.sort();
}
