/** An instance of the crash app that kills itself with SIGKILL at one exact call, and tells every call before it is made. */
import { writeSync } from "node:fs";
import process from "node:process";
import { start } from "tidemark";
import { kafkaLog } from "tidemark/kafkajs";
import { levelStores } from "tidemark/level";
import { crashApp } from "./crash-app.ts";

/** Where it dies. */
export interface Point {
  /** A method of the log, of the stores, or of what they make. */
  readonly call: string;
  /** Its first argument, where that matters. */
  readonly of?: string;
  /** Which of these calls, from 1. */
  readonly nth: number;
  /** During: the call has been made, and nobody has waited for it. Instead: it is not made, and all sends before it are done. */
  readonly when: "before" | "during" | "instead" | "after";
}

/** What it is told, as JSON. */
export interface ChildOptions {
  readonly name: string;
  readonly brokers: string;
  readonly clientId: string;
  readonly directory: string;
  readonly point?: Point | undefined;
}

/** As many commits as can be. */
export const SMALL = { pollBytes: 1_024, commitIntervalMs: 0 } as const;
export const SESSION_MS = 1_000;

/** Dies here: some systems let a process go on for a moment after it has killed itself. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function watched<T extends object>(target: T, point: Point | undefined): T {
  let calls = 0;
  const sends: unknown[] = [];
  const call = (name: string, member: unknown, object: object, args: unknown[]): unknown => {
    const first = typeof args[0] === "string" ? args[0] : "";
    writeSync(1, `${name} ${first}\n`);
    const isPoint = point?.call === name && (point.of ?? first) === first && ++calls === point.nth;
    if (isPoint && point.when === "before") die();
    if (isPoint && point.when === "instead") return Promise.all(sends).then(die);
    const result = Reflect.apply(member as (...args: unknown[]) => unknown, object, args);
    if (isPoint && point.when === "during") die();
    if (!(result instanceof Promise)) return result;
    if (name === "send") sends.push(result);
    return result.then((value) => {
      if (isPoint) die();
      const isObject = typeof value === "object" && value !== null;
      return isObject && ["open", "close", "send"].some((method) => method in value) ? wrap(value) : value;
    });
  };
  const wrap = <U extends object>(target: U): U =>
    new Proxy(target, {
      get(object, name) {
        const member = Reflect.get(object, name);
        return typeof member === "function" ? (...args: unknown[]) => call(String(name), member, object, args) : member;
      },
    });
  return wrap(target);
}

if (process.argv[2] !== undefined) {
  const { name, brokers, clientId, directory, point }: ChildOptions = JSON.parse(process.argv[2]);
  const log = await kafkaLog({ brokers: [brokers], clientId, sessionTimeoutMs: SESSION_MS });
  // One watch for both: calls are counted over log and stores.
  const world = watched({ log: async () => log, stores: async () => levelStores(directory) }, point);
  const runtime = await start({
    ...SMALL,
    app: crashApp(name),
    log: await world.log(),
    stores: await world.stores(),
    onNotice: ({ message }) => void writeSync(2, `${message}\n`),
  });
  await runtime.ended;
}
