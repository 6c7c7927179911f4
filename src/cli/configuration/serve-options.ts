import { kafkaEnvironment, type KafkaOptions } from "../../log/kafkajs/options.ts";
import type { From, Guarantee } from "../../runtime/options.ts";
import type { ServeOptions } from "../../service/service.ts";
import type { Address } from "../../service/server.ts";
import { addressOf } from "../address.ts";
import { inputsOf } from "../inputs.ts";
import type { AppModule } from "../module.ts";
import type { Configuration } from "./configuration.ts";
import { environmentOf, KAFKA_OPTIONS } from "./options.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8080";

/** A day, or a moment with its zone: without one it would mean another moment on another machine. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/** What a configuration means for a service. @throws TIDEMARK_USAGE, TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_TOPIC_UNKNOWN */
export function serveOptions(config: Configuration, module: AppModule): Omit<ServeOptions, "onNotice"> {
  const kafka = kafkaOf(config);
  const advertise = config.text("advertise");
  const token = config.text("token");
  const commitIntervalMs = config.count("commit-interval");
  return {
    app: module.app,
    dataDir: config.text("data")!,
    listen: listenOf(config),
    partitions: config.count("partitions") ?? (kafka ? undefined : 1),
    inputs: inputsOf(config.texts("input"), module),
    follow: config.isOn("follow"),
    toEnd: config.isOn("to-end"),
    topics: [...module.topics.keys()],
    development: config.isOn("dev"),
    from: fromOf(config),
    guarantee: config.text("guarantee") as Guarantee,
    cacheEntries: config.count("cache")!,
    tracesPerSecond: config.count("traces-per-second")!,
    stopMs: config.count("stop-within")!,
    ...(kafka !== undefined && { kafka }),
    ...(advertise !== undefined && { advertise }),
    ...(token !== undefined && { token }),
    insecure: config.isOn("insecure"),
    origins: config.texts("cors"),
    ...(commitIntervalMs !== undefined && { commitIntervalMs }),
  };
}

function listenOf(config: Configuration): Address | undefined {
  const text = config.text("listen");
  if (text === undefined) return config.isOn("to-end") ? undefined : addressOf(DEFAULT_ADDRESS);
  const address = addressOf(text);
  if (address) return address;
  throw config.refusal("listen", `give HOST:PORT, such as ${DEFAULT_ADDRESS}`);
}

/** Where reading begins. */
function fromOf(config: Configuration): From {
  const text = config.text("from")!;
  if (text === "earliest" || text === "latest") return text;
  const time = /^\d+$/.test(text) ? Number(text) : ISO_TIME.test(text) ? Date.parse(text) : NaN;
  if (Number.isSafeInteger(time) && time >= 0) return time;
  throw config.refusal(
    "from",
    "give earliest, latest, or a time from 1970 on, in ms or as 2026-11-21 or 2026-11-21T10:00:00Z",
  );
}

function kafkaOf(config: Configuration): KafkaOptions | undefined {
  const brokers = config.text("kafka")?.split(",").map((broker) => broker.trim()).filter(Boolean);
  if (!brokers) return undefined;
  const said = KAFKA_OPTIONS.filter((name) => config.isSet(name));
  return {
    ...kafkaEnvironment(Object.fromEntries(said.map((name) => [environmentOf(name), `${config.get(name)}`]))),
    brokers,
  };
}
