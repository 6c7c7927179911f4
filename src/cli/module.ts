import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type App, isApp } from "../core/app.ts";
import { reasonOf, TidemarkError } from "../core/errors.ts";
import type { TopicDefinition } from "../core/source.ts";

/** What an app file exports. */
export interface AppModule {
  /** Absolute. */
  readonly path: string;
  readonly app: App;
  /** The app's topics and all others that the module exports, by name. */
  readonly topics: ReadonlyMap<string, TopicDefinition>;
  /** Makes records of a line of `--input FILE`, if the module has one. */
  readonly input: ((line: string) => unknown) | undefined;
}

/**
 * Imports an app file.
 * @throws TIDEMARK_APP_INVALID when there is no app in it; errors in the definitions keep their own codes
 */
export async function loadModule(file: string): Promise<AppModule> {
  const path = resolve(file);
  if (!existsSync(path)) throw noApp(file, "there is no such file");
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(path).href);
  } catch (cause) {
    if (cause instanceof TidemarkError) throw cause;
    throw noApp(file, `it could not be imported: ${reasonOf(cause)}`, cause);
  }
  const { default: app, input } = module;
  if (!isApp(app)) throw noApp(file, found(module));
  const topics = new Map(app["~app"].topics);
  for (const exported of Object.values(module)) {
    const topic = topicOf(exported);
    if (topic && !topics.has(topic.name)) topics.set(topic.name, topic);
  }
  return { path, app, topics, input: typeof input === "function" ? input as AppModule["input"] : undefined };
}

/** What the engine knows of a topic, if a value is one. */
export function topicOf(value: unknown): TopicDefinition | undefined {
  return (value as { readonly "~topic"?: TopicDefinition } | null | undefined)?.["~topic"];
}

function found(module: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(module).filter((name) => name !== "default");
  if (!("default" in module)) return `it has no default export, only ${names.slice(0, 10).join(", ") || "nothing"}`;
  const { default: value } = module;
  if (value === null || Array.isArray(value)) return `its default export is ${value === null ? "null" : "an array"}`;
  if (topicOf(value)) return "its default export is a topic";
  return `its default export is ${"~actor" in Object(value) ? "an actor" : `a value of type ${typeof value}`}`;
}

function noApp(file: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError("TIDEMARK_APP_INVALID", `Cannot find an app in "${file}": ${what}`, { cause });
}
