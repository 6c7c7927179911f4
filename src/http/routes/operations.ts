import { openApiJson } from "../openapi.ts";
import { livez, metricsText, readyz, topologyJson } from "../operations.ts";
import { positionOf, WAITING } from "../positions.ts";
import type { Route } from "../route.ts";
import { list, named, object, text, whole } from "../schema.ts";

/** What whoever operates the service asks for. */
export const OPERATION_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/topology",
    summary: "How the app is cut: groups of topics, what reads what, and the internal topics in between",
    answer: {
      "application/json": object({
        groups: list(object({
          name: text,
          partitions: whole,
          changelog: text,
          actors: list(text),
          inputs: list(object({
            topic: text,
            internal: { type: "boolean" },
            deliveries: list(object({ kind: { enum: ["fold", "forward", "pass"] }, actor: text })),
          })),
        })),
        actors: list(named("Actor")),
        sinks: list(object({ name: text, topic: text, group: text, partitions: whole, changelog: text })),
        repartitions: list(object({ topic: text, partitions: whole })),
      }),
    },
    refusals: [],
    run: topologyJson,
  },
  {
    method: "GET",
    path: "/positions/:topic/:partition",
    summary: "How far a partition of a topic is processed and committed, by this instance",
    texts: {
      topic: { description: "The name of a topic that the app reads, or of one of its own.", schema: text },
      partition: {
        description: "The number of a partition.",
        schema: { type: "integer", minimum: 0, maximum: 999_999_999 },
      },
    },
    query: {
      min: { description: "Answer only when it has come to this position. Default 0.", schema: whole },
      wait: WAITING["wait"]!,
    },
    answer: {
      "application/json": object({
        topic: text,
        partition: whole,
        position: whole,
        sent: {
          ...named("Positions"),
          description: "After what its task has sent since its start, by topic/partition.",
        },
      }),
    },
    refusals: ["TIDEMARK_LOG_TOPIC_UNKNOWN", "TIDEMARK_POSITION_PENDING"],
    run: positionOf,
  },
  {
    method: "GET",
    path: "/livez",
    summary: "Whether the process answers at all",
    answer: { "application/json": object({ status: { const: "alive" } }) },
    refusals: [],
    isOpen: true,
    run: livez,
  },
  {
    method: "GET",
    path: "/readyz",
    summary: "Whether every task of this instance answers queries and does its work",
    description: "Without the token, where there is one, the tasks are not told.",
    answer: { "application/json": object({ status: { const: "ready" } }, { tasks: list(named("TaskState")) }) },
    refusals: [],
    isOpen: true,
    run: readyz,
  },
  {
    method: "GET",
    path: "/metrics",
    summary: "What the service counts, in Prometheus' text format",
    answer: { "text/plain": text },
    refusals: ["TIDEMARK_ROUTE_UNKNOWN"],
    run: metricsText,
  },
  {
    method: "GET",
    path: "/openapi.json",
    summary: "This description, as OpenAPI 3.1",
    answer: {
      "application/json": { ...object({ openapi: text, paths: { type: "object" } }), additionalProperties: true },
    },
    refusals: [],
    run: openApiJson,
  },
];
