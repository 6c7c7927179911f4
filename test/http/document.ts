/** The OpenAPI document of the handler, and whether answers are what it says. */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";

type Json = Record<string, unknown>;

interface Answer {
  readonly content: Readonly<Record<string, { readonly schema: Json }>>;
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, Answer>>;
  readonly security?: readonly unknown[];
}

/** What the handler serves as `/openapi.json`. */
export class Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly #ajv = new Ajv2020({ strict: false });
  readonly #schemas: Json;

  constructor({ paths, components }: { readonly paths: Document["paths"]; readonly components: Json }) {
    this.paths = paths;
    this.#schemas = closed(components) as Json;
  }

  static async of(response: Response): Promise<Document> {
    assert.equal(response.status, 200);
    return new Document(await response.json());
  }

  /** Every operation, as `GET /actors/{actor}`. */
  get operations(): ReadonlyMap<string, Operation> {
    const found = Object.entries(this.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const)
    );
    return new Map(found);
  }

  /** Asserts that an answer is one that its operation may give, and answers with its body. */
  async check(operation: string, response: Response): Promise<string> {
    const { status } = response;
    const described = this.operations.get(operation)?.responses[status];
    const body = await response.text();
    assert.ok(described, `${operation} is not said to answer with ${status}: ${body}`);
    const type = response.headers.get("content-type")!.replace(/;.*/, "");
    const schema = described.content[type]?.schema;
    assert.ok(schema, `${operation} is not said to answer ${status} with ${type}`);
    for (const [name, { required }] of Object.entries(described.headers ?? {})) {
      if (required) assert.ok(response.headers.has(name), `${operation} answers ${status} without ${name}`);
    }
    const value = /json$/.test(type) && type !== "application/x-ndjson" ? JSON.parse(body) : body;
    const validate = this.#ajv.compile({ ...closed(schema) as Json, components: this.#schemas });
    assert.ok(validate(value), `${operation} ${status}: ${this.#ajv.errorsText(validate.errors)} in ${body}`);
    return body;
  }
}

/** The same schemas for whom a member that is not described is a fault; but for problems, which may say more. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner: Json = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const { properties } = schema as { readonly properties?: Json };
  const isProblem = properties && ("code" in properties);
  return properties && !isProblem && !("additionalProperties" in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}
