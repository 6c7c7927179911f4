import { join } from "node:path";
import type { App } from "../core/app.ts";
import { TidemarkError } from "../core/errors.ts";
import { internal } from "../core/topology.ts";
import type { AccessOptions } from "../http/access.ts";
import { handler } from "../http/handler.ts";
import type { KafkaOptions } from "../log/kafkajs/options.ts";
import type { Log } from "../log/log.ts";
import { type NoticeCode, noticeOf, type OnNotice } from "../runtime/notice.ts";
import type { From, Guarantee } from "../runtime/options.ts";
import { type Runtime, start } from "../runtime/runtime.ts";
import { levelStores } from "../store/level/store.ts";
import type { Stores } from "../store/store.ts";
import { Feeds, type InputProgress, type ServiceInput } from "./feeds.ts";
import { accessOf, type Exposure } from "./exposure.ts";
import { Gate } from "./gate.ts";
import { type Ground, openGround } from "./ground.ts";
import { inputsTopic } from "./input/position.ts";
import { LogWatch } from "./log-watch.ts";
import { metricsText } from "./metrics.ts";
import { listen, type Server } from "./server.ts";
import { startTraces, type Traces } from "./traces/traces.ts";

const DEFAULT_STOP_MS = 10_000;

/** How much of the time for stopping the requests under way may take: before their stores are closed, and after. */
const REQUESTS_SHARE = 0.1;
/** And how much of it sending the last spans. */
const TRACES_SHARE = 0.2;

const DEFAULT_LOG_SILENCE_MS = 15_000;

/** What a service consists of. */
export interface ServeOptions extends Exposure {
  readonly app: App;
  /** The folder for the stores and the embedded log; made if there is none. One app and one process at a time can use it. */
  readonly dataDir: string;
  /** The Kafka cluster that is the log; other instances of the app take their share of the work. Default: an embedded log. */
  readonly kafka?: KafkaOptions;
  /** Partitions of the app's topics that do not exist yet. From 1. Undefined: all of them must exist. */
  readonly partitions: number | undefined;
  /** Files whose lines are fed into the log. */
  readonly inputs: readonly ServiceInput[];
  /** Whether to go on as the files grow, are rotated or replaced. */
  readonly follow: boolean;
  /** Whether the inputs are all there will ever be: after their end everything open is closed, and the service ends. */
  readonly toEnd: boolean;
  /** Topics to create that the app neither reads nor writes: what inputs write beside. */
  readonly topics: readonly string[];
  /** As in the runtime: fold twice and compare. */
  readonly development?: boolean;
  /** As in the runtime: where the first start begins to read. Default "earliest". */
  readonly from?: From;
  /** As in the runtime. Default "exactly-once". */
  readonly guarantee?: Guarantee;
  /** As in the runtime, in ms. Default 100, or 10 for each task if that is more. */
  readonly commitIntervalMs?: number;
  /** As in the runtime: actors held in memory per task. Default 100,000. */
  readonly cacheEntries?: number;
  /** As in the runtime: how much is traced a second at most. Default 500. */
  readonly tracesPerSecond?: number;
  /** How long stopping may take, in ms. From 1. Default 10,000. */
  readonly stopMs?: number;
  /** How long Kafka may be out of reach before the service is no longer ready, in ms. From 100. Default 15,000. */
  readonly logSilenceMs?: number;
  /** Told what an operator should know. */
  readonly onNotice: OnNotice;
}

/** A service at work. */
export interface Service {
  /** Where it answers HTTP; undefined when it does not. */
  readonly url: string | undefined;
  readonly runtime: Runtime;
  /** How far each input has been fed into the log. */
  readonly inputs: readonly InputProgress[];
  /** Resolves when all is stopped and closed, by {@link stop} or at the end; rejects, then too, with the first error. */
  readonly ended: Promise<void>;
  /** What keeps it from being ready beside its tasks, in words; undefined when nothing does. */
  readonly hindrance: string | undefined;
  /**
   * Ends orderly: is not ready from now on, stops feeding and polling, commits, answers what is asked until then, leaves the
   * group, closes. Settles as {@link ended} does.
   */
  stop(): Promise<void>;
}

/**
 * Runs an app: its log, its stores, its inputs and HTTP. Without Kafka there is nothing else to start. An input or a task that
 * fails for good stops everything. Where `OTEL_*` variables ask for it, its spans are sent to a collector.
 * @throws TIDEMARK_OPTION_INVALID, TIDEMARK_PACKAGE_MISSING, TIDEMARK_STORE_FOREIGN, TIDEMARK_STORE_IO, TIDEMARK_LOG_LOCKED, TIDEMARK_ADDRESS_IN_USE,
 * and what the log and the runtime throw at their start; `ended` rejects with what they and the inputs throw later, and
 * with TIDEMARK_STOP_TIMEOUT when stopping takes too long
 */
export async function serve(options: ServeOptions): Promise<Service> {
  const { follow, toEnd } = options;
  if (follow && toEnd) {
    throw new TidemarkError(
      "TIDEMARK_OPTION_INVALID",
      "Cannot follow inputs and end after them: a followed input has no end; choose one",
    );
  }
  checkTimes(options);
  const access = accessOf(options);
  const ground = await openGround(options);
  let traces: Traces | undefined;
  let server: Server | undefined;
  let runtime: Runtime | undefined;
  try {
    traces = await startTraces(options.app.name, options.onNotice);
    const gate = new Gate();
    server = options.listen && await listen(gate.handle, options.listen);
    if (server) tell(options, "TIDEMARK_SERVICE_LISTENING", `listening on ${server.url}`);
    await createTopics(ground.log, options);
    runtime = await startRuntime(ground.log, options, server?.url);
    const service = new RunningService(options, { ground, runtime, server, traces });
    gate.open(handlerOf(service, access, options));
    return service;
  } catch (error) {
    await server?.close(0);
    await runtime?.stop().catch(() => {}); // what it has to say is less than why it never served
    await ground.close();
    await traces?.stop(0);
    throw error;
  }
}

function tell({ onNotice }: ServeOptions, code: NoticeCode, message: string): void {
  onNotice({ level: "info", code, message });
}

function checkTimes({ stopMs = DEFAULT_STOP_MS, logSilenceMs = DEFAULT_LOG_SILENCE_MS }: ServeOptions): void {
  for (const [name, value, least] of [["stopMs", stopMs, 1], ["logSilenceMs", logSilenceMs, 100]] as const) {
    if (Number.isFinite(value) && value >= least) continue;
    throw new TidemarkError("TIDEMARK_OPTION_INVALID", `Cannot use ${value} as ${name}: give a number from ${least}`);
  }
}

async function createTopics(log: Log, { app, topics, partitions, inputs }: ServeOptions): Promise<void> {
  if (inputs.length > 0) await log.createTopics([{ name: inputsTopic(app.name), partitions: 1, compacted: true }]);
  if (partitions !== undefined) await log.createTopics(topics.map((name) => ({ name, partitions })));
}

function startRuntime(log: Log, options: ServeOptions, url: string | undefined): Promise<Runtime> {
  const { app, dataDir, partitions, development, from, guarantee, commitIntervalMs, onNotice } = options;
  const { cacheEntries, tracesPerSecond } = options;
  const address = options.advertise ?? url;
  return start({
    app,
    log,
    stores: ownStores(join(dataDir, "stores")),
    onNotice,
    ...(partitions !== undefined && { createPartitions: partitions }),
    ...(address !== undefined && { address }),
    ...(development !== undefined && { development }),
    ...(from !== undefined && { from }),
    ...(guarantee !== undefined && { guarantee }),
    ...(commitIntervalMs !== undefined && { commitIntervalMs }),
    ...(cacheEntries !== undefined && { cacheEntries }),
    ...(tracesPerSecond !== undefined && { tracesPerSecond }),
  });
}

/** Stores that nobody else may have open while the folder is ours: waiting for one that is locked would be in vain. */
function ownStores(directory: string): Stores {
  const stores = levelStores(directory);
  return {
    destroy: (name) => stores.destroy(name),
    open: async (name) => {
      try {
        return await stores.open(name);
      } catch (error) {
        if (!(error instanceof TidemarkError && error.code === "TIDEMARK_STORE_LOCKED")) throw error;
        throw new TidemarkError(error.code, error.message, { cause: error, retry: false });
      }
    },
  };
}

function handlerOf(service: RunningService, access: AccessOptions, { onNotice }: ServeOptions) {
  const { runtime } = service;
  const onError = (error: unknown) => onNotice(noticeOf(error, "TIDEMARK_REQUEST_FAILED", "Cannot answer a request: "));
  const hindrance = () => service.hindrance;
  const metrics = () => metricsText(runtime, service.inputs, runtime.isReady && hindrance() === undefined);
  return handler({ ...access, runtime, metrics, hindrance, stopping: service.stopping, onError });
}

/** A log in this process is never out of reach. */
function watchOf(log: Log, { app, kafka, onNotice, logSilenceMs = DEFAULT_LOG_SILENCE_MS }: ServeOptions) {
  if (!kafka) return undefined;
  return new LogWatch({ log, topic: internal.deadLetters(app.name), silenceMs: logSilenceMs, onNotice });
}

/** What has been started. */
interface Parts {
  readonly ground: Ground;
  readonly runtime: Runtime;
  readonly server: Server | undefined;
  readonly traces: Traces | undefined;
}

class RunningService implements Service {
  readonly url: string | undefined;
  readonly runtime: Runtime;
  readonly ended: Promise<void>;
  readonly #parts: Parts;
  readonly #feeds: Feeds;
  readonly #stopMs: number;
  readonly #options: ServeOptions;
  readonly #watch: LogWatch | undefined;
  readonly #ending = new AbortController();
  readonly #stopping = Promise.withResolvers<void>();
  readonly #errors: unknown[] = [];

  constructor(options: ServeOptions, parts: Parts) {
    const { ground, runtime, server } = this.#parts = parts;
    this.url = server?.url;
    this.runtime = runtime;
    this.#stopMs = options.stopMs ?? DEFAULT_STOP_MS;
    this.#options = options;
    this.#feeds = new Feeds({
      log: ground.log,
      app: options.app.name,
      inputs: options.inputs,
      follow: options.follow,
      place: (topic, key) => runtime.placement.partition(topic, key),
      deadLetters: internal.deadLetters(options.app.name),
      onNotice: options.onNotice,
    });
    this.#watch = watchOf(ground.log, options);
    void this.#watch?.run(this.#ending.signal);
    this.ended = this.#live(options.toEnd);
    this.ended.catch(() => {});
  }

  /** Aborted before anything is closed. */
  get stopping(): AbortSignal {
    return this.#ending.signal;
  }

  get inputs(): readonly InputProgress[] {
    return this.#feeds.progress;
  }

  get hindrance(): string | undefined {
    return this.#ending.signal.aborted ? "the service is stopping" : this.#watch?.silence;
  }

  stop(): Promise<void> {
    this.#ending.abort();
    this.#stopping.resolve();
    return this.ended;
  }

  async #live(toEnd: boolean): Promise<void> {
    await this.#attempt(Promise.race([this.#work(toEnd), this.runtime.ended, this.#stopping.promise]));
    this.#ending.abort();
    tell(this.#options, "TIDEMARK_SERVICE_STOPPING", `stopping, within ${this.#stopMs} ms`);
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const deadline = setTimeout(() => {
      this.#errors.push(stopTimeout(this.#stopMs));
      resolve();
    }, this.#stopMs);
    const hasEnded = await Promise.race([this.#release().then(() => true), tooLate]);
    clearTimeout(deadline);
    if (!hasEnded) await this.#attempt(this.#parts.server?.close(0));
    if (this.#errors.length > 0) throw this.#errors[0];
    tell(this.#options, "TIDEMARK_SERVICE_ENDED", "everything is closed");
  }

  /**
   * Ends when there is nothing more to come and all of it is done, which may be never. Feeding waits until every task has
   * chosen where it begins to read: else a first start from "latest" could pass over what is fed.
   */
  async #work(toEnd: boolean): Promise<void> {
    await this.runtime.opened;
    await this.#feeds.run();
    if (toEnd) await this.runtime.finish();
    else await this.#stopping.promise;
  }

  async #release(): Promise<void> {
    const requestsMs = this.#stopMs * REQUESTS_SHARE;
    await Promise.all([
      this.#attempt(this.#feeds.stop()),
      this.#attempt(this.runtime.stop(async () => await this.#parts.server?.drain(requestsMs))),
    ]);
    await this.#attempt(this.#parts.server?.close(requestsMs));
    await this.#attempt(this.#parts.ground.close());
    await this.#attempt(this.#parts.traces?.stop(this.#stopMs * TRACES_SHARE));
  }

  /** Waits for one part to end; an error of it does not keep the others from ending. */
  async #attempt(part: Promise<void> | undefined): Promise<void> {
    try {
      await part;
    } catch (error) {
      this.#errors.push(error);
    }
  }
}

function stopTimeout(stopMs: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STOP_TIMEOUT",
    `Cannot stop within ${stopMs} ms: something does not end; end the process, what it committed is safe`,
  );
}
