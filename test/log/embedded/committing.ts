import { embeddedLog } from "../../../src/log/embedded/log.ts";
import type { Log } from "../../../src/log/log.ts";

/** Opens the log of a child process, and tells how many transactions are in it. */
export async function openForChild(directory: string): Promise<{ log: Log; count: number }> {
  const log = await embeddedLog(directory, { cleanAfterBytes: 20_000, cleanerKeys: 2 });
  await log.createTopics([{ name: "plain", partitions: 1 }, { name: "compacted", partitions: 1, compacted: true }]);
  return { log, count: (await log.bounds({ topic: "plain", partition: 0 })).end / 3 };
}

/** Makes some thousand transactions from a number on, one after the other, until one fails. */
export async function commitFrom(log: Log, first: number, committed: (count: number) => void): Promise<void> {
  const producer = await log.producer("producer");
  for (let n = first; n < first + 5000; n++) {
    const transaction = await producer.begin();
    const values = [0, 1, 2].map((i) => ({ key: null, value: `${n}:${i}`.padEnd(1000), timestamp: n }));
    await transaction.send("plain", 0, values);
    await transaction.send("compacted", 0, [{ key: `${n % 5}`, value: `${n}`.padEnd(2000), timestamp: n }]);
    await transaction.offsets("group", [{ topic: "plain", partition: 0, offset: n + 1 }]);
    await transaction.commit();
    committed(n + 1);
  }
}
