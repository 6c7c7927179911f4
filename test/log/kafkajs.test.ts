import { logConformance } from "../../src/log/conformance.ts";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import { kafkaBrokers } from "../kafka/broker.ts";

const open = async () => kafkaLog({ brokers: (await kafkaBrokers()).split(",") });

logConformance("kafkajs", {
  open,
  reopen: async (log) => {
    await log.close();
    return await open();
  },
  dispose: async () => {},
  shares: true,
  patienceMs: 20_000,
  runs: 10,
});
