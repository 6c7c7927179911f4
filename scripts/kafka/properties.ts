/** What is written into the property files of a broker that is its own controller, for one machine. */

/** Kafka's names and values. */
export type Properties = Readonly<Record<string, string | number | boolean>>;

/** The ports of a node, all on 127.0.0.1. */
export interface Ports {
  readonly client: number;
  readonly direct: number;
  readonly controller: number;
}

/**
 * Good for tests: one replica of everything, nothing expires, and nobody waits for what comes later. With one partition,
 * a coordinator that works for one group or transaction works for all.
 */
const DEFAULTS: Properties = {
  "num.partitions": 4,
  "auto.create.topics.enable": false,
  "delete.topic.enable": true,
  "group.initial.rebalance.delay.ms": 0,
  "group.min.session.timeout.ms": 1000,
  "offsets.topic.replication.factor": 1,
  "offsets.topic.num.partitions": 1,
  "transaction.state.log.replication.factor": 1,
  "transaction.state.log.min.isr": 1,
  "transaction.state.log.num.partitions": 1,
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
  "share.coordinator.state.topic.replication.factor": 1,
  "share.coordinator.state.topic.min.isr": 1,
  "log.retention.ms": -1,
  "log.cleaner.backoff.ms": 100,
  "log.message.timestamp.after.max.ms": "9223372036854775807",
};

/** The properties of a broker with its controller. */
export function nodeProperties(ports: Ports, advertised: string, data: string): Properties {
  const { client, direct, controller } = ports;
  return {
    ...DEFAULTS,
    ...quorum(controller, data),
    "process.roles": "broker,controller",
    "inter.broker.listener.name": "DIRECT",
    "listeners": `PLAINTEXT://127.0.0.1:${client},DIRECT://127.0.0.1:${direct},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://${advertised},DIRECT://127.0.0.1:${direct}`,
  };
}

/** The properties of its controller alone, which takes the broker for gone after 100 ms. */
export function controllerProperties({ controller }: Ports, data: string): Properties {
  return {
    ...quorum(controller, data),
    "process.roles": "controller",
    "listeners": `CONTROLLER://127.0.0.1:${controller}`,
    "broker.heartbeat.interval.ms": 50,
    "broker.session.timeout.ms": 100,
  };
}

function quorum(controller: number, data: string): Properties {
  return {
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": data.replaceAll("\\", "/"),
  };
}

/** The text of a property file. */
export function propertyFile(properties: Properties): string {
  return Object.entries(properties).map(([name, value]) => `${name}=${value}\n`).join("");
}
