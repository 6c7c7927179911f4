import { reasonOf, TidemarkError } from "./errors.ts";
import type { Effect, Folder, Snapshot } from "./fold.ts";

/**
 * The same folder for development: several times slower, it finds actors that would not come out the same when they are
 * replayed. Each fold runs twice, on the frozen state and, by a clock that is a day ahead, on a copy of it that went
 * through JSON. Both must agree, neither may change the state or the event, and what an actor keeps or sends must be JSON.
 *
 * Its `initial` and `fold` throw TIDEMARK_FOLD_IMPURE with the actor, the event type and the first difference.
 */
export function checked(name: string, folder: Folder): Folder {
  return {
    ...folder,
    initial(key, effects) {
      const run = (out: Effect[]) => folder.initial(key, out);
      const answers = [attempt(folder, run), withOtherClock(() => attempt(folder, run))] as const;
      return agreed(folder, answers, effects, (problem) => impure(name, "at its start", problem));
    },
    fold(snapshot, key, event, effects) {
      const report = (problem: string | undefined) => impure(name, `on "${event.type}"`, problem);
      const { context } = folder.view(snapshot);
      const twin = throughJson(folder, snapshot);
      const eventTwin = copied(event);
      deepFreeze(context);
      deepFreeze(event);
      const first = attempt(folder, (out) => folder.fold(snapshot, key, event, out));
      const second = withOtherClock(() => attempt(folder, (out) => folder.fold(twin, key, eventTwin, out)));
      report(changedInPlace(context, folder.view(twin).context, "context"));
      report(changedInPlace(event, eventTwin, "event"));
      return agreed(folder, [first, second], effects, report);
    },
  };
}

/** Throws when there is a problem. */
type Report = (problem: string | undefined) => void;

function impure(name: string, when: string, problem: string | undefined): void {
  if (problem === undefined) return;
  throw new TidemarkError("TIDEMARK_FOLD_IMPURE", `Actor "${name}" cannot be replayed: ${when}, ${problem}`);
}

/** What one fold came to. Parts of the state are copied, in case a later fold changes them in place. */
interface Attempt {
  readonly snapshot?: Snapshot;
  readonly thrown?: unknown;
  readonly problem?: string | undefined;
  readonly state?: unknown;
  readonly context?: unknown;
  readonly output?: unknown;
  readonly effects: readonly Effect[];
}

function attempt(folder: Folder, run: (effects: Effect[]) => Snapshot): Attempt {
  const effects: Effect[] = [];
  try {
    const snapshot = run(effects);
    const { state, context } = folder.view(snapshot);
    const output = folder.output(snapshot);
    const problem = unfit(context, "context", []) ?? unfit(output, "output", []) ?? unfitEffect(effects);
    if (problem !== undefined) return { snapshot, problem, effects };
    return { snapshot, state, context: copied(context), output: copied(output), effects: copied(effects) };
  } catch (thrown) {
    return { thrown, effects };
  }
}

/** What is wrong with an event that is kept or sent. A route makes a record of one that is emitted. */
function unfitEffect(effects: readonly Effect[]): string | undefined {
  return effects.map((effect, at) =>
    effect.kind === "schedule" || effect.kind === "send" ? unfit(effect.event, `effects[${at}].event`, []) : undefined
  ).find((problem) => problem !== undefined);
}

function agreed(
  folder: Folder,
  [first, second]: readonly [Attempt, Attempt],
  effects: Effect[],
  report: Report,
): Snapshot {
  const { snapshot } = first;
  if ((snapshot === undefined) !== (second.snapshot === undefined)) {
    const thrown = snapshot === undefined ? first.thrown : second.thrown;
    report(`it threw "${reasonOf(thrown)}" only one time of two; ${pure}`);
  }
  if (snapshot === undefined) throw first.thrown;
  report(first.problem ?? second.problem);
  for (const part of ["state", "context", "output", "effects"] as const) {
    report(twoAnswers(first[part], second[part], part));
  }
  const text = JSON.stringify(folder.encode(snapshot));
  const again = JSON.stringify(folder.encode(throughJson(folder, snapshot)));
  if (text !== again) report(`its snapshot ${text} comes back from the store as ${again}`);
  effects.push(...first.effects);
  return snapshot;
}

const pure = "use nothing but context and event: no clock, no random numbers, no outer variables";

function twoAnswers(first: unknown, second: unknown, path: string): string | undefined {
  const found = difference(first, second, path);
  return found && `${found.path} is ${found.first} the first time and ${found.second} the second; ${pure}`;
}

function changedInPlace(before: unknown, after: unknown, path: string): string | undefined {
  const found = difference(before, after, path);
  return found && `it changes ${found.path} in place from ${found.first} to ${found.second}; make a new value`;
}

interface Difference {
  readonly path: string;
  readonly first: string;
  readonly second: string;
}

/** The first place where two values differ. A member that is undefined equals one that is missing. */
function difference(first: unknown, second: unknown, path: string): Difference | undefined {
  if (first === second || (Number.isNaN(first) && Number.isNaN(second))) return undefined;
  if (typeof first === "function" && typeof second === "function") return undefined;
  if (first instanceof Date && second instanceof Date) return difference(first.getTime(), second.getTime(), path);
  if (!isObject(first) || !isObject(second) || Array.isArray(first) !== Array.isArray(second)) {
    return { path, first: shown(first), second: shown(second) };
  }
  for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
    const found = difference(first[name], second[name], member(path, first, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}n` : part);
  return (text ?? String(value)).slice(0, 200);
}

/** The first place where a value is not JSON, and why. Members that are undefined are let through: they read the same. */
function unfit(value: unknown, path: string, above: readonly unknown[]): string | undefined {
  const what = notJson(value, above);
  if (what !== undefined) {
    return `${path} is ${what}, which JSON cannot hold; keep numbers, text, booleans, null, plain objects and arrays`;
  }
  if (!isObject(value)) return undefined;
  const names = Array.isArray(value) ? [...value.keys()].map(String) : Object.keys(value);
  for (const name of names) {
    const part = value[name];
    if (part === undefined && !Array.isArray(value)) continue;
    const found = unfit(part, member(path, value, name), [...above, value]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function notJson(value: unknown, above: readonly unknown[]): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : String(value);
  if (!isObject(value)) {
    if (value === undefined) return above.length === 0 ? undefined : "undefined";
    return value === null || ["string", "boolean"].includes(typeof value) ? undefined : `a ${typeof value}`;
  }
  if (above.includes(value)) return "a part of itself";
  return isJsonObject(value) ? undefined : `a ${value.constructor?.name ?? "object of a class"}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Whether it is an array or a plain object. */
function isJsonObject(value: object): boolean {
  return Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value));
}

function member(path: string, parent: object, name: string): string {
  if (Array.isArray(parent)) return `${path}[${name}]`;
  return /^[\w$]+$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`;
}

/** A deep copy of plain objects and arrays; everything else is shared. */
function copied<T>(value: T): T {
  if (!isObject(value) || !isJsonObject(value)) return value;
  if (Array.isArray(value)) return value.map(copied) as T;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copied(part)])) as T;
}

function deepFreeze(value: unknown): void {
  if (!isObject(value) || !isJsonObject(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
}

function throughJson(folder: Folder, snapshot: Snapshot): Snapshot {
  return folder.decode(JSON.parse(JSON.stringify(folder.encode(snapshot))));
}

const aDayMs = 86_400_000;

/** Runs with a clock that is a day ahead, so that two runs in one millisecond do not read the same time. */
function withOtherClock<T>(run: () => T): T {
  const clock = Date;
  const later = () => clock.now() + aDayMs;
  globalThis.Date = new Proxy(clock, {
    construct: (target, values, made) => Reflect.construct(target, values.length === 0 ? [later()] : values, made),
    get: (target, name) => name === "now" ? later : Reflect.get(target, name),
  });
  try {
    return run();
  } finally {
    globalThis.Date = clock;
  }
}
