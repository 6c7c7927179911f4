/** One Kafka broker, its own controller, on this machine. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type KafkaHome, kafkaHome } from "./home.ts";
import { freePort } from "./ports.ts";
import { controllerProperties, nodeProperties, type Ports, type Properties, propertyFile } from "./properties.ts";
import { end, type Running, signal, start } from "./process.ts";
import { whenReady } from "./ready.ts";

const READY_MS = 90_000;
const POLL_MS = 20;
/** Many times the session of a broker after a crash. */
const FENCE_MS = 1000;
/** Many times what a controller collects records for before it writes them. */
const APPEND_MS = 200;
const LOG_LINES = 12;

/** How a broker is run. */
export interface KafkaOptions {
  /** Its port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Where its data are, kept when it is disposed of. Default: a temp folder, removed when it is disposed of. */
  readonly directory?: string;
  /** The `host:port` it sends clients to, as a proxy in front of it needs. Default: its own. */
  readonly advertised?: string;
  /** Broker properties beside or in place of its own. */
  readonly properties?: Properties;
  /** Options of the JVM. Default: `-Xmx512m` and `-XX:TieredStopAtLevel=1`, which starts fast and stays small. */
  readonly javaOptions?: readonly string[];
}

/** A broker that was started. Its address stays the same as long as it lives. */
export interface KafkaBroker {
  /** Its own address, `host:port`. */
  readonly brokers: string;
  /** An address that stays its own when another is advertised: to look at what is behind the proxy. */
  readonly directBrokers: string;
  /** Its process; undefined while it is down. */
  readonly pid: number | undefined;
  /** Its data, its properties and `kafka.log`, which holds its warnings and errors. */
  readonly directory: string;
  /** Resolves, with how it ended, when the process that runs now has ended. */
  readonly ended: Promise<string>;
  /** Stops it in order; kills it when that takes more than 20 seconds. */
  stop(): Promise<void>;
  /** Kills it as a crash would. */
  kill(): Promise<void>;
  /** Stops it, unless it is down, and starts it on the same data and the same ports. Resolves when it is ready. */
  restart(): Promise<void>;
  /** Stops it and removes its folder if it was a temp folder. */
  dispose(): Promise<void>;
}

/**
 * Starts a broker and resolves when topics, transactions and groups work. Throws an error that says what to install
 * when there is no Java or, the first time, no Maven; and one with the last lines of its log when it does not start
 * within 90 seconds.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBroker> {
  const home = await kafkaHome();
  const directory = options.directory === undefined
    ? await mkdtemp(join(tmpdir(), "tidemark-kafka-"))
    : resolve(options.directory);
  const broker = new LocalBroker(home, directory, options, {
    client: options.port ?? await freePort(),
    direct: await freePort(),
    controller: await freePort(),
  });
  try {
    await broker.format();
    await broker.start();
    return broker;
  } catch (error) {
    await broker.dispose();
    throw error;
  }
}

class LocalBroker implements KafkaBroker {
  readonly brokers: string;
  readonly directBrokers: string;
  readonly directory: string;
  readonly #home: KafkaHome;
  readonly #options: KafkaOptions;
  readonly #ports: Ports;
  #running: Running | undefined;

  constructor(home: KafkaHome, directory: string, options: KafkaOptions, ports: Ports) {
    this.#home = home;
    this.#options = options;
    this.#ports = ports;
    this.directory = directory;
    this.brokers = `127.0.0.1:${ports.client}`;
    this.directBrokers = `127.0.0.1:${ports.direct}`;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  get ended(): Promise<string> {
    return this.#running?.ended ?? Promise.resolve("it is down");
  }

  /** Writes the properties, and a new cluster if the folder has none. */
  async format(): Promise<void> {
    const data = join(this.directory, "data");
    await mkdir(data, { recursive: true });
    const { advertised = this.brokers, properties = {} } = this.#options;
    const node = nodeProperties(this.#ports, advertised, data);
    await writeFile(join(this.directory, "server.properties"), propertyFile({ ...node, ...properties }));
    const controller = controllerProperties(this.#ports, data);
    await writeFile(join(this.directory, "controller.properties"), propertyFile(controller));
    const meta = join(data, "meta.properties");
    if (existsSync(meta)) return;
    await copyFile(this.#home.bootstrap, join(data, "bootstrap.checkpoint"));
    const id = (): string => randomBytes(16).toString("base64url");
    await writeFile(meta, `version=1\nnode.id=1\ncluster.id=${id()}\ndirectory.id=${id()}\n`);
  }

  #java(properties: string, log: string, level: string): Promise<Running> {
    const logger = "-Dorg.slf4j.simpleLogger.";
    return start("java", [
      ...this.#options.javaOptions ?? ["-Xmx512m", "-XX:TieredStopAtLevel=1"],
      `${logger}defaultLogLevel=${level}`,
      `${logger}showDateTime=true`,
      `${logger}dateTimeFormat=HH:mm:ss.SSS`,
      "-cp",
      this.#home.classPath,
      "kafka.Kafka",
      join(this.directory, properties),
    ], log);
  }

  /**
   * After a crash, lets a controller alone see that its broker is gone. A node that wakes up as the leader it was, and
   * is told a moment later that it leads nothing, drops the markers of transactions that were committed just before
   * the crash (Kafka 4.3.1: "Couldn't find leader endpoint for partitions"): nobody would ever read these. Other
   * clusters have a controller that does not crash with the broker.
   */
  async #fence(): Promise<void> {
    const log = join(this.directory, "controller.log");
    await rm(log, { force: true });
    const controller = await this.#java("controller.properties", log, "info");
    let hasEnded = false;
    controller.ended.then(() => hasEnded = true);
    try {
      const limit = Date.now() + READY_MS;
      for (let activeSince: number | undefined;;) {
        const text = await readFile(log, "utf8");
        if (text.includes("Fencing broker 1 ")) return void await wait(APPEND_MS);
        if (text.includes("Activated periodic tasks")) activeSince ??= Date.now();
        if (Date.now() - (activeSince ?? Infinity) > FENCE_MS) return; // the broker was gone before
        if (hasEnded || Date.now() > limit) throw new Error(`Kafka's controller did not start; its log is ${log}`);
        await wait(POLL_MS);
      }
    } finally {
      await end(controller);
    }
  }

  /** Whether it has run before and did not end in order. */
  #hasCrashed(): boolean {
    const data = join(this.directory, "data");
    return existsSync(join(data, "__cluster_metadata-0")) && !existsSync(join(data, ".kafka_cleanshutdown"));
  }

  async start(): Promise<void> {
    const log = join(this.directory, "kafka.log");
    if (this.#hasCrashed()) await this.#fence();
    const running = await this.#java("server.properties", log, "warn");
    this.#running = running;
    const ending = new AbortController();
    const limit = setTimeout(() => ending.abort(new Error(`not ready within ${READY_MS / 1000} s`)), READY_MS);
    running.ended.then((how) => {
      if (this.#running === running) this.#running = undefined;
      ending.abort(new Error(how));
    });
    try {
      await whenReady(this.directBrokers, ending.signal);
    } catch (error) {
      await this.kill();
      const lines = (await readFile(log, "utf8")).trimEnd().split("\n").slice(-LOG_LINES).join("\n");
      throw new Error(`Kafka did not start: ${(error as Error).message}. The end of its log:\n${lines}`, {
        cause: error,
      });
    } finally {
      clearTimeout(limit);
    }
  }

  async stop(): Promise<void> {
    if (this.#running) await end(this.#running);
  }

  async kill(): Promise<void> {
    const { pid, ended } = this;
    if (pid === undefined) return;
    signal(pid, "SIGKILL");
    await ended;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async dispose(): Promise<void> {
    await this.stop();
    if (this.#options.directory === undefined) await rm(this.directory, { recursive: true, force: true });
  }
}
