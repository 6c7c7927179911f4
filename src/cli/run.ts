import { basename } from "node:path";
import process from "node:process";
import { kafkaEnvironment, type KafkaOptions } from "../log/kafkajs/options.ts";
import type { From, Guarantee } from "../runtime/options.ts";
import { serve, type ServeOptions, type Service } from "../service/service.ts";
import { onStopSignal } from "../service/signals.ts";
import { addressOf } from "./address.ts";
import { type Call, type Command, misuse } from "./command.ts";
import type { Display, Watched } from "./display.ts";
import { figuresOf } from "./figures.ts";
import { inputsOf } from "./inputs.ts";
import { LiveDisplay } from "./live/display.ts";
import { type AppModule, loadModule } from "./module.ts";
import { PlainDisplay } from "./plain-display.ts";
import { DEFAULT_FOLDER, noteModule } from "./source/data-folder.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8080";

/** A day, or a moment with its zone: without one it would mean another moment on another machine. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/** `tidemark run`. */
export const run: Command = {
  name: "run",
  summary: "run an app, with nothing else to start, or as an instance on Kafka",
  operands: ["APP"],
  options: {
    data: { value: "DIR", help: `where its data lies, default ${DEFAULT_FOLDER}` },
    kafka: { value: "HOST:PORT,…", help: "take this cluster as the log, see below" },
    listen: { value: "HOST:PORT", help: `where it answers, default ${DEFAULT_ADDRESS}; port 0 takes any that is free` },
    advertise: { value: "URL", help: "where other instances reach this one, default where it listens" },
    input: { value: "[TOPIC=]FILE", isMany: true, help: "a file to feed, see below" },
    follow: { help: "go on as the files grow, are rotated or replaced" },
    "to-end": { help: "take the inputs for all there will ever be: close what is open after them, and exit" },
    partitions: {
      value: "N",
      help: "partitions of the topics it creates, default 1; on Kafka it creates none without",
    },
    from: { value: "WHERE", help: "where the first run begins: earliest (default), latest, or a time, see below" },
    guarantee: { value: "NAME", help: "exactly-once (default) or at-least-once, see below" },
    "commit-interval": { value: "MS", help: "commit this often, default 100, or 10 per task if that is more" },
    cache: { value: "N", help: "actors held in memory per task, default 100000" },
    dev: { help: "fold everything twice, and report machines that are not pure" },
  },
  notes: [
    "--input TOPIC=FILE puts each line of a file into a topic as it is, --input FILE gives it to the app file's own",
    "input(line), which returns a list of { topic, value, key? }. Files may be gzip; - is standard input. How far a file",
    "was read is kept with the data: the next run goes on there. With --to-end it only listens if --listen is given.",
    "",
    "With --kafka any number of instances share the work; each needs a data folder of its own. More settings come from the",
    "environment: KAFKA_TLS=true, KAFKA_TLS_CA, _CERT and _KEY (PEM), KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD,",
    "KAFKA_CLIENT_ID, KAFKA_REPLICATION_FACTOR, and KAFKA_SESSION_, _TRANSACTION_, _REQUEST_ and _CONNECT_TIMEOUT_MS.",
    "",
    "--from latest skips what the topics hold already, --from TIME what is older: ms since 1970, or ISO 8601 as in",
    "2026-11-21 or 2026-11-21T10:00:00Z. It counts once: later runs go on where they stopped. --guarantee at-least-once",
    "shows outputs before they are committed: a crash can show some of them twice, while state is exact as ever.",
  ],
  async run(call: Call): Promise<void> {
    checkCombination(call);
    const dataDir = call.text("data") ?? DEFAULT_FOLDER;
    const module = await loadModule(call.operands[0]!);
    const display = process.stdout.isTTY ? new LiveDisplay(process.stdout) : new PlainDisplay(call.out);
    const stop = Promise.withResolvers<void>();
    const release = onStopSignal(() => stop.resolve());
    call.out.closed.addEventListener("abort", () => stop.resolve());
    try {
      const service = await serve(optionsOf(call, dataDir, module, display));
      display.start(watchedOf(service, module, dataDir));
      await Promise.race([noteModule(dataDir, module.path).then(() => stop.promise), service.ended])
        .finally(() => service.stop());
    } finally {
      await display.end();
      release();
    }
  },
};

function checkCombination(call: Call): void {
  if (!call.isOn("follow")) return;
  if (call.isOn("to-end")) throw misuse("--follow and --to-end cannot go together: a file that is followed has no end");
  if (call.texts("input").length === 0) throw misuse("--follow needs an --input to follow");
}

/** Where `--from` says that reading begins. */
function fromOf(call: Call): From | undefined {
  const text = call.text("from");
  if (text === undefined || text === "earliest" || text === "latest") return text;
  const time = /^\d+$/.test(text) ? Number(text) : ISO_TIME.test(text) ? Date.parse(text) : NaN;
  if (Number.isSafeInteger(time) && time >= 0) return time;
  throw misuse(
    `--from is "${text}": give earliest, latest, or a time from 1970 on, in ms or as 2026-11-21 or 2026-11-21T10:00:00Z`,
  );
}

function kafkaOf(call: Call): KafkaOptions | undefined {
  const brokers = call.text("kafka")?.split(",").map((broker) => broker.trim()).filter(Boolean);
  return brokers && { ...kafkaEnvironment(process.env), brokers };
}

function guaranteeOf(call: Call): Guarantee | undefined {
  const text = call.text("guarantee");
  if (text === undefined || text === "exactly-once" || text === "at-least-once") return text;
  throw misuse(`--guarantee is "${text}": give exactly-once or at-least-once`);
}

function optionsOf(call: Call, dataDir: string, module: AppModule, display: Display): ServeOptions {
  const toEnd = call.isOn("to-end");
  const address = call.text("listen") ?? (toEnd ? undefined : DEFAULT_ADDRESS);
  const kafka = kafkaOf(call);
  const advertise = call.text("advertise");
  const from = fromOf(call);
  const guarantee = guaranteeOf(call);
  const commitIntervalMs = call.count("commit-interval", 0);
  const cacheEntries = call.count("cache", 2);
  return {
    app: module.app,
    dataDir,
    listen: address === undefined ? undefined : addressOf(address),
    partitions: call.count("partitions", 1) ?? (kafka ? undefined : 1),
    inputs: inputsOf(call.texts("input"), module),
    follow: call.isOn("follow"),
    toEnd,
    topics: [...module.topics.keys()],
    development: call.isOn("dev"),
    ...(kafka !== undefined && { kafka }),
    ...(advertise !== undefined && { advertise }),
    ...(from !== undefined && { from }),
    ...(guarantee !== undefined && { guarantee }),
    ...(commitIntervalMs !== undefined && { commitIntervalMs }),
    ...(cacheEntries !== undefined && { cacheEntries }),
    onNotice: ({ level, message }) => level === "info" || display.note(message),
  };
}

function watchedOf(service: Service, { app }: AppModule, dataDir: string): Watched {
  const { url, runtime } = service;
  return {
    app: app.name,
    url,
    dataDir,
    runtime,
    figures: () => figuresOf(runtime.tasks, service.inputs.reduce((sum, { deadLetters }) => sum + deadLetters, 0)),
    inputs: () =>
      service.inputs.map(({ path, lines, readBytes, sizeBytes }) => ({
        name: path === "-" ? "standard input" : basename(path),
        lines,
        share: sizeBytes === undefined ? undefined : sizeBytes === 0 ? 1 : readBytes / sizeBytes,
      })),
  };
}
