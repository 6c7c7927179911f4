/** What a Jaeger has of a trace. */
import { setTimeout as wait } from "node:timers/promises";

const POLL_MS = 25;
const LIMIT_MS = 30_000;

/** A span as OTLP has it in JSON. */
interface FoundSpan {
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  /** The service that sent it. */
  readonly service: string;
}

/** What is asked by trace id. */
export class Backend {
  readonly #url: string;

  /** @param url of Jaeger's query API */
  constructor(url: string) {
    this.#url = url;
  }

  /** Waits until it has so many spans of a trace, and answers with them as {@link treeOf} does. */
  async tree(traceId: string, count: number): Promise<string[]> {
    for (const end = Date.now() + LIMIT_MS;; await wait(POLL_MS)) {
      const spans = await this.#spans(traceId);
      if (spans.length >= count) return treeOf(spans);
      if (Date.now() > end) throw new Error(`waited in vain for ${count} spans: ${treeOf(spans).join("\n")}`);
    }
  }

  async #spans(traceId: string): Promise<FoundSpan[]> {
    const response = await fetch(`${this.#url}/api/v3/traces/${traceId}`);
    const text = await response.text();
    if (!response.ok) return [];
    const { result: { resourceSpans } } = JSON.parse(text);
    // deno-lint-ignore no-explicit-any -- OTLP, as Jaeger writes it
    return resourceSpans.flatMap(({ resource, scopeSpans }: any) => {
      // deno-lint-ignore no-explicit-any
      const service = resource.attributes.find(({ key }: any) => key === "service.name").value.stringValue;
      // deno-lint-ignore no-explicit-any
      return scopeSpans.flatMap(({ spans }: any) => spans.map((span: object) => ({ ...span, service })));
    });
  }
}

const KINDS = ["?", "internal", "server", "client", "producer", "consumer"];

/** The spans of a trace as lines, children below their parents: `  service: name (kind) -> the spans it links to`. */
function treeOf(spans: readonly FoundSpan[]): string[] {
  const named = (id: string) => spans.find(({ spanId }) => spanId === id)?.name ?? id;
  const below = (parent: string, depth: number): string[] =>
    spans.filter(({ parentSpanId = "" }) => parentSpanId === parent).map((span) => {
      const { service, name, kind, links = [] } = span;
      const to = links.length > 0 ? ` -> ${links.map(({ spanId }) => named(spanId)).join()}` : "";
      const line = `${"  ".repeat(depth)}${service}: ${name} (${KINDS[kind]})${to}`;
      return [line, ...below(span.spanId, depth + 1)];
    }).sort(([a], [b]) => (a! < b! ? -1 : 1)).flat();
  return below("", 0);
}
