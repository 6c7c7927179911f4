/** An instance of the chaos run's app with a safeguard taken out: `instance.ts BROKERS DATA MUTANT`. */
import process from "node:process";
import { handler } from "../../../src/http/handler.ts";
import { kafkaLog } from "../../../src/log/kafkajs/log.ts";
import { kafkaEnvironment } from "../../../src/log/kafkajs/options.ts";
import { start } from "../../../src/runtime/runtime.ts";
import { listen } from "../../../src/service/server.ts";
import { levelStores } from "../../../src/store/level/store.ts";
import app from "./app.ts";
import { type Mutant, mutate } from "./mutants.ts";

const [brokers, data, mutant] = process.argv.slice(2) as [string, string, Mutant];
const options = kafkaEnvironment(process.env);
const sound = await kafkaLog({ ...options, brokers: [brokers] });
const { log, stores } = mutate(mutant, { log: sound, stores: levelStores(data) });
let answer = async (_request: Request) => new Response(null, { status: 503 });
const server = await listen((request) => answer(request), { hostname: "127.0.0.1", port: 0 });
const runtime = await start({
  app,
  log,
  stores,
  address: server.url,
  onNotice: ({ level, message }) => level === "info" || console.error(message),
});
answer = handler({ runtime });
console.log(`listening on ${server.url}`);
process.once("SIGTERM", () => void runtime.stop());
await runtime.ended;
await server.close(1_000);
await sound.close();
process.exit(0);
