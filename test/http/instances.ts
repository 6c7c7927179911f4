/** Two instances of an app that answer HTTP for each other, in one process. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { handler } from "../../src/http/mod.ts";
import type { Log } from "../../src/log/log.ts";
import { memoryLog } from "../../src/log/memory/log.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { type Runtime, start } from "../../src/runtime/runtime.ts";
import { listen } from "../../src/service/server.ts";
import { memoryStores } from "../../src/store/memory/store.ts";
import { joinedBy, ScriptedMember } from "../runtime/scripted-member.ts";
import { site } from "./site.ts";

/** One of two instances. */
export interface Instance {
  readonly member: ScriptedMember;
  readonly runtime: Runtime;
  readonly url: string;
  /** What it was asked, as `GET /actors`. */
  readonly asked: string[];
  readonly errors: unknown[];
  /** The tasks of some partitions go to it, and the rest is at an address. */
  give(partitions: readonly number[], elsewhere?: string): void;
  close(): Promise<void>;
}

/** What is not as usual. */
interface Unusual extends Partial<Pick<RuntimeOptions, "app" | "clock">> {
  /** The log that both use. Default: an empty one. */
  readonly log?: Log;
  /** How the second instance sees it. */
  readonly second?: (log: Log) => Log;
  /** What requests have to bring as their authorization. */
  readonly token?: string;
}

/** Two instances, of the site if of nothing else. Partition 0 is at the first of them, partition 1 at the second. */
export async function twoInstances(t: TestContext, unusual: Unusual = {}): Promise<[Instance, Instance]> {
  const { log = memoryLog(), second: view = (log) => log, token, ...options } = unusual;
  const instance = async (log: Log): Promise<Instance> => {
    const member = new ScriptedMember();
    const rest = { stores: memoryStores(), createPartitions: 2, commitIntervalMs: 0, ...options };
    const runtime = await start({ app: site, ...rest, log: joinedBy(log, member) });
    const asked: string[] = [];
    const errors: unknown[] = [];
    const answer = handler({ runtime, onError: (error) => errors.push(error) });
    const server = await listen(async (request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      const isAllowed = token === undefined || request.headers.get("authorization") === token;
      return isAllowed ? await answer(request) : new Response("who are you?", { status: 401 });
    }, { hostname: "127.0.0.1", port: 0 });
    const give = (partitions: readonly number[], elsewhere = "") => {
      const isHere = (task: string) => partitions.includes(Number(task.split("-").at(-1)));
      const tasks = member.joined!.tasks;
      const others = tasks.filter((task) => !isHere(task)).map((task) => [task, elsewhere]);
      member.give(tasks.filter(isHere), Object.fromEntries(others));
    };
    const close = async () => {
      await runtime.stop();
      await server.close(1_000);
    };
    t.after(close);
    return { member, runtime, url: server.url, asked, errors, give, close };
  };
  const [first, second] = [await instance(log), await instance(view(log))];
  first.give([0], second.url);
  second.give([1], first.url);
  await Promise.all([first.runtime.opened, second.runtime.opened]);
  return [first, second];
}

/** Where something listens that is no instance. */
export async function impostor(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
