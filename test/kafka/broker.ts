/** The Kafka that tests share. A test uses topics, groups and transactional ids of its own. */

import { after } from "node:test";
import process from "node:process";
import { type KafkaBroker, startKafka } from "../../scripts/kafka/broker.ts";

let shared: Promise<KafkaBroker> | undefined;

after(async () => (await shared?.catch(() => undefined))?.dispose());

/**
 * The addresses of a Kafka as `host:port,...`: those in `KAFKA_BROKERS`, as `deno task test` sets it, else a broker that
 * is started for this test file and ends with it.
 */
export async function kafkaBrokers(): Promise<string> {
  const given = process.env["KAFKA_BROKERS"];
  if (given) return given;
  shared ??= startKafka();
  return (await shared).brokers;
}
