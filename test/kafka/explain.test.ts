/** Two processes on Kafka: what holds event time in one of them lies in the other. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { Explanation, TaskExplanation } from "tidemark";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import { serve } from "../../src/service/service.ts";
import { Child, inRepository } from "../cli/child.ts";
import { add } from "../event-time/minutes.ts";
import { kafkaBrokers } from "./broker.ts";
import { until } from "./group/instances.ts";

const name = `explained-${randomUUID().slice(0, 8)}`;
process.env["EXPLAIN_APP"] = name;
const { default: app } = await import("./explain-app.ts");
const topic = `${name}-views`;

async function explained(url: string): Promise<Explanation> {
  const response = await fetch(`${url}/explain?actor=minutes`);
  assert.equal(response.status, 200);
  return await response.json();
}

test(
  "a partition that is silent in another process, and one whose process was killed",
  { timeout: 90_000 },
  async (t) => {
    const brokers = await kafkaBrokers();
    const root = mkdtempSync(join(tmpdir(), "tidemark-explain-"));
    const log = await kafkaLog({ brokers: brokers.split(",") });
    await log.createTopics([{ name: topic, partitions: 2 }]);
    const first = await serve({
      app,
      dataDir: join(root, "a"),
      kafka: { brokers: brokers.split(",") },
      listen: { hostname: "127.0.0.1", port: 0 },
      partitions: 2,
      inputs: [],
      follow: false,
      toEnd: false,
      topics: [],
      onNotice: () => {},
    });
    const file = inRepository("test", "kafka", "explain-app.ts");
    const options = ["--kafka", brokers, "--data", join(root, "b"), "--listen", "127.0.0.1:0"];
    const child = new Child(["run", file, ...options], { env: { EXPLAIN_APP: name } });
    t.after(async () => {
      await child.stop("SIGKILL");
      await first.stop();
      await log.close();
      rmSync(root, { recursive: true });
    });
    const second = await child.url();
    const started = Date.now();
    // Records of the partitions, at the same times.
    let sent = 0;
    const send = (...partitions: readonly number[]) => {
      const time = started + sent++ * 1_000;
      return Promise.all(partitions.map((partition) => add(log, topic, partition, [time])));
    };
    let seen: Explanation | undefined;
    const come = async (title: string, isSo: (tasks: readonly TaskExplanation[]) => boolean) => {
      await until(title, async () => isSo((seen = await explained(first.url!)).tasks)).catch((error) => {
        throw new Error(`${title}: ${JSON.stringify(seen, undefined, 1)}`, { cause: error });
      });
    };
    // Each has a part of the windows, and of the partitions.
    await come("both have tasks", (tasks) => new Set(tasks.map(({ instance }) => instance)).size === 2);
    await send(0, 1);
    await come("both partitions are heard", (tasks) => tasks.every(({ watermark }) => watermark === started));

    const readers = (await (await fetch(`${first.url}/explain`)).json() as Explanation).tasks;
    const there = readers.find(({ task, instance }) => task.startsWith(`${topic}-`) && instance === second)!.partition;
    await send(1 - there);
    // What the other one passes on may still be on its way, and then is told too.
    await come(
      "the silent one is told",
      (tasks) =>
        tasks.every(({ cause, standsMs, findings }) => cause === "silent" && standsMs! > 0 && findings.length === 1),
    );
    for (const { findings } of seen!.tasks) {
      assert.deepEqual(
        findings.map(({ task, instance, topic, partition, lag }) => ({ task, instance, topic, partition, lag })),
        [
          { task: `${topic}-${there}`, instance: second, topic, partition: there, lag: undefined },
        ],
      );
    }
    await send(0, 1);
    await come(
      "it goes on after the silence",
      (tasks) => tasks.every(({ watermark }) => watermark === started + 2_000),
    );

    await child.stop("SIGKILL");
    await send(0, 1);
    await come("the dead one is told", (tasks) => tasks.every(({ cause }) => cause === "dead"));
    assert.deepEqual(seen!.unanswered.map(({ instance }) => instance), [second]);
    const causes = seen!.tasks.flatMap(({ findings }) => findings.map(({ task, instance }) => `${task} ${instance}`));
    assert.ok(causes.includes(`${topic}-${there} ${second}`), causes.join());
  },
);
