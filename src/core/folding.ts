import type { Route } from "./actor.ts";
import type { Failure } from "./dead-letter.ts";
import { type Code, reasonOf, TidemarkError } from "./errors.ts";
import type { Emitted } from "./fold.ts";
import type { Instance } from "./instance.ts";
import type { Outbox } from "./outbox.ts";
import type { NewRecord } from "./record.ts";
import type { WindowClose } from "./window.ts";

/** What the fold at hand has emitted. Folds are never nested, so one list serves all. */
const emitted: Emitted[] = [];

interface Output {
  readonly topic: string;
  readonly record: NewRecord;
}

/**
 * Folds one event into an actor: its new state and its outputs, or neither.
 * @param time the event time of the outputs, in ms
 * @returns why it could not be folded; then the state is as it was and nothing was sent
 */
export function foldEvent(
  instance: Instance,
  event: { readonly type: string },
  time: number,
  outbox: Outbox,
): Failure | undefined {
  const { folder } = instance.home;
  emitted.length = 0;
  let snapshot;
  try {
    snapshot = instance.snapshot ?? folder.initial(instance.key, emitted);
    if (!folder.isDone(snapshot)) snapshot = folder.fold(snapshot, instance.key, event, emitted);
  } catch (error) {
    return failureOf(instance, "TIDEMARK_FOLD_FAILED", `Cannot fold "${event.type}"`, error);
  }
  if (emitted.length > 0) {
    let outputs;
    try {
      outputs = emitted.flatMap((one) => outputsOf(instance, one, time));
    } catch (error) {
      return failureOf(instance, "TIDEMARK_OUTPUT_FAILED", `Cannot publish what "${event.type}" led to`, error);
    }
    for (const { topic, record } of outputs) outbox.add(topic, instance.key, record);
  }
  // A machine that is done leaves nothing behind: the next event of its key starts a new one.
  instance.snapshot = folder.isDone(snapshot) ? undefined : snapshot;
  return undefined;
}

/** Sends a windowed actor its last event and removes it. The answer is as of {@link foldEvent}; it is gone in any case. */
export function closeWindow(instance: Instance, at: number, outbox: Outbox): Failure | undefined {
  const window = instance.window!;
  const event: WindowClose = { type: "window.close", window, at };
  const failure = foldEvent(instance, event, window.end - 1, outbox);
  instance.snapshot = undefined;
  return failure;
}

function outputsOf(instance: Instance, emitted: Emitted, time: number): Output[] {
  const { key, window, home } = instance;
  const routes = home.definition.routes.filter((route) => route.emitted === emitted.type);
  if (routes.length === 0) throw new Error(`"${emitted.type}" was emitted, but no .to() says where it goes`);
  return routes.map((route) => {
    const value = encode(route, route.value(emitted, { key, time, window }));
    return { topic: route.topic.name, record: { key, value, timestamp: time } };
  });
}

function encode(route: Route, value: unknown): string {
  const json = JSON.stringify(value);
  if (json === undefined) {
    throw new Error(`the map to topic "${route.topic.name}" made ${typeof value}, which is not JSON`);
  }
  return json;
}

function failureOf({ home, key }: Instance, reason: Code, tried: string, error: unknown): Failure {
  const { name, version } = home.definition;
  return {
    reason: error instanceof TidemarkError ? error.code : reason,
    message: `${tried} in actor "${name}": ${reasonOf(error)}`,
    actor: { name, version },
    key,
  };
}
