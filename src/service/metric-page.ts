/**
 * A page of metrics in Prometheus' text format. It is made of OpenTelemetry's metric data directly and not by instruments of a
 * meter: those repeat for ever what was observed once, and a histogram of theirs cannot be filled from counts.
 */

import { type Attributes, ValueType } from "@opentelemetry/api";
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { AggregationTemporality, DataPointType, MeterProvider, type MetricData } from "@opentelemetry/sdk-metrics";
import type { Histogram } from "../runtime/histogram.ts";

const SCOPE = { name: "tidemark" };

/** A metric as it is defined; `unit` as OpenTelemetry writes it (UCUM). The exporter adds `_total` to counters. */
export interface Metric {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly unit: string;
  readonly description: string;
}

/** What a series of a metric stands at. */
interface Observed {
  readonly value: number | Histogram;
  readonly attributes: Attributes;
}

/** Collects what is observed now, and writes it down. */
export class MetricPage {
  readonly #observed = new Map<Metric, Observed[]>();

  /** Adds a series. What is no number is left out: nothing was heard yet, or there is nothing more to come. */
  add(metric: Metric, value: number | Histogram, attributes: Attributes = {}): void {
    if (typeof value === "number" && !Number.isFinite(value)) return;
    const series = this.#observed.get(metric);
    if (series) series.push({ value, attributes });
    else this.#observed.set(metric, [{ value, attributes }]);
  }

  /** All of it as text. A metric without a series does not appear. */
  async text(): Promise<string> {
    const reader = new PrometheusExporter({ preventServerStart: true });
    new MeterProvider({ readers: [reader] }); // only to know the resource
    const { resourceMetrics: { resource } } = await reader.collect();
    const metrics = [...this.#observed].map(([metric, series]) => dataOf(metric, series));
    const serializer = new PrometheusSerializer("", false, undefined, true, true);
    return serializer.serialize({ resource, scopeMetrics: [{ scope: SCOPE, metrics }] });
  }
}

function dataOf({ kind, name, unit, description }: Metric, series: readonly Observed[]): MetricData {
  const common = {
    descriptor: { name, unit, description, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const points = <T>(of: (value: number | Histogram) => T) =>
    series.map(({ value, attributes }) => ({
      startTime: [0, 0] as [number, number],
      endTime: [0, 0] as [number, number],
      attributes,
      value: of(value),
    }));
  const number = (value: number | Histogram) => value as number;
  switch (kind) {
    case "counter":
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points(number) };
    case "gauge":
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: points(number) };
    case "histogram":
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: points(bucketsOf) };
  }
}

function bucketsOf(value: number | Histogram) {
  const { bounds, counts, sum, count } = value as Histogram;
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count };
}
