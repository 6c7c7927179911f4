/** The OpenAPI document, made from the routes as the handler knows them. */

import type { Code } from "../core/errors.ts";
import { json } from "./answer.ts";
import { statusOf } from "./problem.ts";
import type { Call, Parameter, Route } from "./route.ts";
import { named, type Schema, SCHEMAS, text } from "./schema.ts";

/** Of what is promised here; it changes when a client that goes by it has to. */
const API_VERSION = "1";

/** What any route may refuse with. */
const COMMON: readonly Code[] = [
  "TIDEMARK_REQUEST_INVALID",
  "TIDEMARK_HOST_REFUSED",
  "TIDEMARK_NOT_READY",
  "TIDEMARK_STOPPED",
];
/** And any that takes a token. */
const CLOSED: readonly Code[] = ["TIDEMARK_UNAUTHORIZED"];
/** And any that takes a body. */
const WITH_BODY: readonly Code[] = ["TIDEMARK_REQUEST_TOO_LARGE"];

/** The document. */
export function openApiJson({ routes, isClosed }: Call): Response {
  return json(openApi(routes, isClosed));
}

function openApi(routes: readonly Route[], isClosed: boolean): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, isClosed) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Tidemark",
      version: API_VERSION,
      description:
        "An app at work: the states of its actors, its topics, and how it does. HEAD is answered as GET is, " +
        "without a body. Refusals are application/problem+json with a code.",
    },
    paths,
    ...(isClosed && { security: [{ token: [] }] }),
    components: {
      schemas: SCHEMAS,
      ...(isClosed && { securitySchemes: { token: { type: "http", scheme: "bearer" } } }),
    },
  };
}

function operation(route: Route, isClosed: boolean): object {
  const { method, path, summary, description, texts = {}, query = {}, body, answer, refusals, isOpen = false } = route;
  const parameters = [...described(texts, "path"), ...described(query, "query")];
  const codes = [...COMMON, ...(isClosed && !isOpen ? CLOSED : []), ...(body ? WITH_BODY : []), ...refusals];
  return {
    operationId: `${method} ${path}`.toLowerCase().replace(/\W+/g, "-").replace(/-$/, ""),
    summary,
    ...(description !== undefined && { description }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: content(body) } }),
    ...(isClosed && isOpen && { security: [] }),
    responses: {
      200: { description: "As asked.", content: content(answer) },
      ...problems(codes, body !== undefined),
    },
  };
}

function described(parameters: Readonly<Record<string, Parameter>>, place: "path" | "query"): object[] {
  return Object.entries(parameters).map(([name, { description, schema }]) => ({
    name,
    in: place,
    description,
    ...(place === "path" && { required: true }),
    schema: place === "path" && schema === text ? { ...schema, minLength: 1 } : schema,
  }));
}

function content(types: Readonly<Record<string, Schema>>): object {
  return Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
}

/** The refusals by their status, each with the codes it may have. */
function problems(codes: readonly Code[], hasBody: boolean): Record<string, object> {
  const byStatus: Record<string, Code[]> = {};
  for (const code of codes) (byStatus[statusOf(code)!] ??= []).push(code);
  if (hasBody) byStatus[415] = ["TIDEMARK_REQUEST_INVALID"];
  const found = Object.entries(byStatus).map(([status, among]) => [status, problem(among)]);
  return { ...Object.fromEntries(found), 500: problem(undefined) };
}

function problem(codes: readonly Code[] | undefined): object {
  const schema = codes ? { allOf: [named("Problem"), codesAmong(codes)] } : named("Problem");
  const description = codes ? codes.join(", ") : "The service's own log says what failed.";
  const isPassing = codes?.includes("TIDEMARK_NOT_READY");
  const retry = { "retry-after": { description: "In seconds.", required: true, schema: { type: "integer" } } };
  return {
    description,
    ...(isPassing && { headers: retry }),
    content: content({ "application/problem+json": schema }),
  };
}

function codesAmong(codes: readonly Code[]): Schema {
  return { type: "object", properties: { code: { enum: [...new Set(codes)] } }, required: ["code"] };
}
