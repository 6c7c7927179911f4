/** Apache Kafka as the log. */

export { kafkaLog } from "./log.ts";
export { kafkaEnvironment, type KafkaOptions, type SaslOptions, type TlsOptions } from "./options.ts";
