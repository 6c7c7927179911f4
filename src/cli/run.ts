import process from "node:process";
import { type NoticeLevel, noticeOf, type OnNotice } from "../runtime/notice.ts";
import { serve, type Service } from "../service/service.ts";
import { onStopSignal } from "../service/signals.ts";
import { Throttle } from "../service/throttle.ts";
import { type Call, type Command, misuse, type Option } from "./command.ts";
import { Configuration, defaultShown } from "./configuration/configuration.ts";
import { RUN_OPTIONS } from "./configuration/options.ts";
import { serveOptions } from "./configuration/serve-options.ts";
import type { Display, Watched } from "./display.ts";
import { Told } from "./failure.ts";
import { figuresOf } from "./figures.ts";
import { JsonDisplay } from "./json-display.ts";
import { LiveDisplay } from "./live/display.ts";
import { type AppModule, loadModule } from "./module.ts";
import { PlainDisplay } from "./plain-display.ts";
import { noteModule } from "./source/data-folder.ts";

/** `tidemark run`. */
export const run: Command = {
  name: "run",
  summary: "run an app, with nothing else to start, or as an instance on Kafka",
  operands: ["APP"],
  options: {
    ...flags(),
    config: { value: "FILE", help: "a JSON file with options, see below" },
    "print-config": { help: "print every option with its value and who gave it, and do no more" },
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
    "Every option can also be given in the environment, as TIDEMARK_COMMIT_INTERVAL=200 or TIDEMARK_FOLLOW=true, lists with",
    'commas; and in the file of --config or TIDEMARK_CONFIG: { "commit-interval": 200, "kafka-tls": true }. A flag wins over',
    "the environment, that over the file; --no-follow turns off what they turned on. No secret is taken from a flag or that",
    "file: name a file of its own, or use the environment.",
    "",
    "--from latest skips what the topics hold already, --from TIME what is older: ms since 1970, or ISO 8601 as in",
    "2026-11-21 or 2026-11-21T10:00:00Z. It counts once: later runs go on where they stopped. --guarantee at-least-once",
    "shows outputs before they are committed: a crash can show some of them twice, while state is exact as ever.",
  ],
  async run(call: Call): Promise<void> {
    const config = new Configuration(call, process.env);
    if (call.isOn("print-config")) return await call.out.line(config.lines().join("\n"));
    checkCombination(config);
    const isJson = config.text("log-format") === "json";
    let module: AppModule | undefined;
    const display = isJson ? new JsonDisplay(() => module?.app.name) : displayFor(call);
    const least = LEVELS.indexOf((config.text("log-level") ?? (isJson ? "info" : "warn")) as NoticeLevel);
    const throttle = new Throttle((notice) => {
      if (LEVELS.indexOf(notice.level) >= least) display.note(notice);
    });
    try {
      module = await loadModule(call.operands[0]!);
      await work(call, config, module, display, throttle.tell);
    } catch (error) {
      if (!isJson) throw error;
      throttle.flush();
      display.note(noticeOf(error, "TIDEMARK_SERVICE_FAILED"));
      throw new Told("", { cause: error });
    } finally {
      throttle.flush();
    }
  },
};

const LEVELS: readonly NoticeLevel[] = ["info", "warn", "error"];

function displayFor({ out }: Call): Display {
  return process.stdout.isTTY ? new LiveDisplay(process.stdout) : new PlainDisplay(out);
}

/** Runs an app until it ends, or a signal or a reader that is gone ends it. */
async function work(
  call: Call,
  config: Configuration,
  module: AppModule,
  display: Display,
  onNotice: OnNotice,
): Promise<void> {
  const dataDir = config.text("data")!;
  const stop = Promise.withResolvers<void>();
  const release = onStopSignal(() => stop.resolve());
  call.out.closed.addEventListener("abort", () => stop.resolve());
  try {
    const service = await serve({ ...serveOptions(config, module), onNotice });
    display.start(watchedOf(service, module, dataDir));
    await Promise.race([noteModule(dataDir, module.path).then(() => stop.promise), service.ended])
      .finally(() => service.stop());
  } finally {
    await display.end();
    release();
  }
}

/** The flags of the options that have one. */
function flags(): Record<string, Option> {
  const entries = [...RUN_OPTIONS].filter(([, { isWithoutFlag }]) => !isWithoutFlag).map(([name, option]) => {
    const { kind, value, help } = option;
    const isSaid = kind === "switch" || kind === "list" || name.endsWith("-file");
    return [name, {
      help: isSaid ? help : `${help}; default ${defaultShown(option)}`,
      ...(value !== undefined && { value }),
      ...(kind === "list" && { isMany: true }),
    }] as const;
  });
  return Object.fromEntries(entries);
}

function checkCombination(config: Configuration): void {
  if (!config.isOn("follow")) return;
  if (config.isOn("to-end")) {
    throw misuse("--follow and --to-end cannot go together: a file that is followed has no end");
  }
  if (config.texts("input").length === 0) throw misuse("--follow needs an --input to follow");
}

function watchedOf(service: Service, { app }: AppModule, dataDir: string): Watched {
  const { url, runtime } = service;
  return {
    app: app.name,
    url,
    dataDir,
    runtime,
    figures: () =>
      figuresOf(runtime.tasks, service.inputs.reduce((sum, { deadLetters }) => sum + deadLetters, 0), runtime.sinks),
    inputs: () =>
      service.inputs.map(({ name, lines, readBytes, sizeBytes }) => ({
        name,
        lines,
        share: sizeBytes === undefined ? undefined : sizeBytes === 0 ? 1 : readBytes / sizeBytes,
      })),
  };
}
