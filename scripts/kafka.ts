/**
 * A Kafka to try Tidemark with: `deno run -A scripts/kafka.ts [start] [--port PORT] [--data FOLDER]`
 *
 * Runs one broker on 127.0.0.1 until Ctrl-C and keeps its data. `fetch` in place of `start` only gets Kafka into the user's
 * cache folder. Needs Java 17 or newer and, the first time, Maven.
 */

import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { startKafka } from "./kafka/broker.ts";
import { kafkaHome } from "./kafka/home.ts";

const USAGE = "Usage: deno run -A scripts/kafka.ts [start] [--port PORT] [--data FOLDER] | fetch";

/** Runs a broker until a signal ends this process. */
async function runBroker(port: number, directory: string): Promise<void> {
  const broker = await startKafka({ port, directory, javaOptions: ["-Xmx1g"] });
  let isWanted = true;
  const stop = (): void => {
    isWanted = false;
    void broker.stop();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  console.log(`Kafka is ready at ${broker.brokers}, its data in ${directory}. Stop it with Ctrl-C`);
  const how = await broker.ended;
  if (isWanted) throw new Error(`Kafka ended by itself: ${how}. Its log is ${join(broker.directory, "kafka.log")}`);
}

async function main(args: string[]): Promise<void> {
  const { values, positionals: [command = "start", ...rest] } = parseArgs({
    args,
    options: {
      port: { type: "string", default: "9092" },
      data: { type: "string", default: join(".cache", "kafka", "data") },
    },
    allowPositionals: true,
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`--port is "${values.port}". ${USAGE}`);
  if (rest.length > 0 || !["start", "fetch"].includes(command)) throw new Error(USAGE);
  if (command === "fetch") await kafkaHome();
  else await runBroker(port, values.data);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
