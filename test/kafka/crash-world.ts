/** The crash app with its input in a log, instances of it that die, and a successor that is judged. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { partitionFor } from "../../src/core/hash.ts";
import type { Log } from "../../src/log/log.ts";
import { start } from "../../src/runtime/runtime.ts";
import { levelStores } from "../../src/store/level/store.ts";
import { Child, inRepository } from "../cli/child.ts";
import { statesOf } from "../outcome.ts";
import type { BehindProxy } from "./behind-proxy.ts";
import { crashApp, inputLines, oracle, topicsOf } from "./crash-app.ts";
import { type ChildOptions, type Point, SMALL } from "./crash-child.ts";
import type { Fault } from "./proxy.ts";
import type { Match } from "./proxy/rule.ts";

/** How long the input is. */
export const LINES = 150;

const text = new TextDecoder();

/** An app that is to be crashed: its input is in the log, and its store will be in a folder of its own. */
export class World {
  readonly behind: BehindProxy;
  readonly name: string;
  readonly directory: string;
  /** Past the proxy. */
  readonly log: Log;
  readonly partitions: number;
  readonly notices: string[] = [];
  readonly #brokenFirst: number;
  readonly #children: Child[] = [];

  constructor(behind: BehindProxy, name: string, directory: string, log: Log, partitions: number, brokenFirst: number) {
    this.behind = behind;
    this.name = name;
    this.directory = directory;
    this.log = log;
    this.partitions = partitions;
    this.#brokenFirst = brokenFirst;
  }

  /** Creates the topics. */
  async create(): Promise<void> {
    const { orders, counts, sums } = topicsOf(this.name);
    await this.log.createTopics([orders, counts, sums].map((name) => ({ name, partitions: this.partitions })));
  }

  /** Puts some lines of the input into the log. */
  async feed(from: number, to: number): Promise<void> {
    const { orders } = topicsOf(this.name);
    const lines = inputLines(LINES, this.#brokenFirst).slice(from, to);
    for (const [partition, all] of Map.groupBy(lines, ({ user }) => partitionFor(user, this.partitions))) {
      await this.log.append(orders, partition, all.map(({ user, value }) => ({ key: user, value, timestamp: 1 })));
    }
  }

  /** Starts an instance. */
  child(point?: Point, directory = this.directory): Child {
    const { name, behind: { proxy } } = this;
    const options: ChildOptions = { name, brokers: proxy.address, clientId: name, directory, point };
    const file = inRepository("test", "kafka", "crash-child.ts");
    const child = new Child([JSON.stringify(options)], { file });
    this.#children.push(child);
    return child;
  }

  /** Runs an instance until it kills itself at a point. Answers with its calls up to there. */
  async dieAt(point: Point): Promise<string[]> {
    return await died(this.child(point));
  }

  /** Runs an instance until a fault meets one of its requests, and kills it then. Answers with its calls up to there. */
  async killAt(match: Omit<Match, "clientId">, fault: Fault): Promise<string[]> {
    const rule = this.behind.proxy.on({ ...match, clientId: this.name }, fault);
    const child = this.child();
    await Promise.race([rule.hit, died(child)]);
    await child.stop("SIGKILL");
    return await died(child);
  }

  /** Runs a successor on the same transactional ids to the end of the input, and compares everything with the oracle. */
  async judge(directory = this.directory): Promise<void> {
    const { name, log, notices } = this;
    const expected = oracle(LINES, this.#brokenFirst);
    const options = { ...SMALL, app: crashApp(name), log, stores: levelStores(directory) };
    const runtime = await start({
      ...options,
      onNotice: ({ level, message }) => level === "info" || notices.push(message),
    });
    try {
      await runtime.finish();
      deepEqual(await statesOf(runtime, "tally"), expected.states, "states");
      const topics = topicsOf(name);
      for (const output of ["counts", "sums"] as const) {
        const found: Record<string, string[]> = {};
        for await (const { key, value } of runtime.read(topics[output])) {
          (found[text.decode(key!)] ??= []).push(text.decode(value!));
        }
        deepEqual(found, expected[output], output);
      }
      const dead: string[] = [];
      for await (const { value } of runtime.read(topics.deadLetters)) dead.push(text.decode(value!));
      deepEqual(dead.sort(), expected.dead, "dead letters");
      for (const { partition, offset } of await log.committed(name)) {
        const { end } = await log.bounds({ topic: topics.orders, partition });
        equal(offset, end, `position in partition ${partition}`);
      }
    } finally {
      await runtime.stop();
    }
  }

  /** Waits until an instance has committed all of the input by itself, and kills it. */
  async judgeSurvivor(child: Child): Promise<void> {
    const { log, name } = this;
    const { orders } = topicsOf(name);
    for (let isDone = false; !isDone;) {
      const positions = await log.committed(name);
      const ends = await Promise.all(positions.map((position) => log.bounds({ ...position, topic: orders })));
      isDone = positions.length === this.partitions && positions.every(({ offset }, i) => offset === ends[i]!.end);
    }
    ok(child.isRunning, child.stderr);
    await child.stop("SIGKILL");
  }

  async close(): Promise<void> {
    for (const child of this.#children) await child.stop("SIGKILL");
    await this.log.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Waits until an instance is dead, and not by an error. */
export async function died(child: Child): Promise<string[]> {
  const { signal, stdout, stderr } = await child.ended;
  equal(signal, "SIGKILL", `it ended by itself: ${stderr}`);
  return stdout.trimEnd().split("\n").map((line) => line.trim());
}

/** The folder of the one store there is. */
export async function storeOf({ directory }: World): Promise<string> {
  const [folder, ...others] = await readdir(directory);
  equal(others.length, 0);
  return join(directory, folder!);
}
