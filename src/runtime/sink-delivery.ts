import type { LogRecord } from "../core/record.ts";
import type { Returning } from "../core/returns.ts";
import { type SinkReading, unwritten } from "../core/sink-record.ts";
import type { SinkDefinition } from "../core/sink.ts";
import type { Handed, HandOver, SinkBatch, SinkFigures } from "./hand-over.ts";
import type { Spans } from "./tracing.ts";

/** A record that is not done. */
export interface Undone {
  readonly record: LogRecord;
  readonly reading: SinkReading;
  /** The position after it, gaps included; undefined of a dead letter that was sent back, which moves none. */
  readonly next?: number;
  /** That dead letter. */
  readonly back?: Returning;
}

interface SinkDeliveryOptions {
  readonly sink: SinkDefinition;
  readonly figures: SinkFigures;
  readonly handOver: HandOver;
  /** Undefined while nobody traces. */
  readonly spans: Spans | undefined;
  /** Buries what cannot be handed over, moves past all of it, and commits. */
  readonly pass: (undone: readonly Undone[]) => Promise<void>;
}

/**
 * Hands records over and passes them. Where that fails to the end, by halves, in order: so those that are to blame come to
 * stand alone, and cannot be handed over.
 */
export class SinkDelivery {
  readonly #options: SinkDeliveryOptions;

  constructor(options: SinkDeliveryOptions) {
    this.#options = options;
  }

  /** False when the task stopped before it was through. */
  deliver(undone: readonly Undone[]): Promise<boolean> {
    return this.#deliver(undone, this.#options.sink.attempts);
  }

  async #deliver(undone: readonly Undone[], attempts: number): Promise<boolean> {
    const { sink, figures, handOver, spans, pass } = this.#options;
    const batch = undone.flatMap(({ reading }) => ("of" in reading ? [reading.of] : []));
    const [first, ...rest] = batch;
    if (first) {
      const write = () => handOver.write([first, ...rest] satisfies SinkBatch, attempts);
      const failureOf = ({ kind }: Handed) => kind === "failed" ? "TIDEMARK_SINK_FAILED" as const : undefined;
      const handed = await (spans ? spans.write(sink.name, batch, write, failureOf) : write());
      if (handed.kind === "stopped") return false;
      if (handed.kind === "failed" && rest.length > 0) {
        const half = Math.floor(batch.length / 2);
        const cut = undone.findIndex(({ reading }) => "of" in reading && reading.of === batch[half]);
        return await this.#deliverPart(undone.slice(0, cut)) && await this.#deliverPart(undone.slice(cut));
      }
      if (handed.kind === "failed") {
        figures.failures++;
        const failure = unwritten(sink.name, first.key, attempts, handed.error);
        await pass(undone.map((one) => ("of" in one.reading ? { ...one, reading: { failure } } : one)));
        return true;
      }
    }
    await pass(undone);
    return true;
  }

  /** A part is tried once, as all of it was tried so often; a record by itself as often as a batch. */
  #deliverPart(undone: readonly Undone[]): Promise<boolean> {
    const isAlone = undone.filter(({ reading }) => "of" in reading).length === 1;
    return this.#deliver(undone, isAlone ? this.#options.sink.attempts : 1);
  }
}
