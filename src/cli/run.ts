import { basename } from "node:path";
import process from "node:process";
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

/** `tidemark run`. */
export const run: Command = {
  name: "run",
  summary: "run an app, with nothing else to start",
  operands: ["APP"],
  options: {
    data: { value: "DIR", help: `where its data lies, default ${DEFAULT_FOLDER}` },
    listen: { value: "HOST:PORT", help: `where it answers, default ${DEFAULT_ADDRESS}; port 0 takes any that is free` },
    input: { value: "[TOPIC=]FILE", isMany: true, help: "a file to feed, see below" },
    follow: { help: "go on as the files grow, are rotated or replaced" },
    "to-end": { help: "take the inputs for all there will ever be: close what is open after them, and exit" },
    partitions: { value: "N", help: "partitions of the topics that it creates, default 1" },
    "commit-interval": { value: "MS", help: "commit this often, default 100" },
    cache: { value: "N", help: "actors held in memory per task, default 100000" },
    dev: { help: "fold everything twice, and report machines that are not pure" },
  },
  notes: [
    "--input TOPIC=FILE puts each line of a file into a topic as it is, --input FILE gives it to the app file's own",
    "input(line), which returns a list of { topic, value, key? }. Files may be gzip; - is standard input. How far a file",
    "was read is kept with the data: the next run goes on there. With --to-end it only listens if --listen is given.",
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

function optionsOf(call: Call, dataDir: string, module: AppModule, display: Display): ServeOptions {
  const toEnd = call.isOn("to-end");
  const address = call.text("listen") ?? (toEnd ? undefined : DEFAULT_ADDRESS);
  const commitIntervalMs = call.count("commit-interval", 0);
  const cacheEntries = call.count("cache", 2);
  return {
    app: module.app,
    dataDir,
    listen: address === undefined ? undefined : addressOf(address),
    partitions: call.count("partitions", 1) ?? 1,
    inputs: inputsOf(call.texts("input"), module),
    follow: call.isOn("follow"),
    toEnd,
    topics: [...module.topics.keys()],
    development: call.isOn("dev"),
    ...(commitIntervalMs !== undefined && { commitIntervalMs }),
    ...(cacheEntries !== undefined && { cacheEntries }),
    onNotice: (message) => display.note(message),
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
