import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kafkaLog } from "../../src/log/kafkajs/log.ts";
import type { Log } from "../../src/log/log.ts";
import { Child, inRepository } from "../cli/child.ts";
import { kafkaBrokers } from "./broker.ts";
import { Feed, PARTITIONS, until } from "./group/instances.ts";
import { type Asked, Questions } from "./rolling/questions.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-rolling-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const INSTANCES = 3;
const ROUNDS = 2;

/** One instance of the app: the same data folder again after each restart. */
class Member {
  isLeaving = false;
  url = "";
  /** What it logged, in all its lives. */
  logged = "";
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #child: Child | undefined;

  constructor(brokers: string, app: string, index: number) {
    const data = join(folder, `${index}`);
    this.#args = ["run", inRepository("test/kafka/rolling/app.ts"), "--kafka", brokers, "--data", data];
    this.#env = { ROLLING_APP: app, TIDEMARK_LISTEN: "127.0.0.1:0", TIDEMARK_LOG_FORMAT: "json" };
  }

  async start(): Promise<void> {
    this.#child = new Child(this.#args, { env: this.#env });
    const [, url] = await this.#child.said(/"listening on (http:[^"]+)"/, "stderr");
    this.url = url!;
    this.isLeaving = false;
  }

  async isReady(): Promise<boolean> {
    const response = await fetch(`${this.url}/readyz`);
    await response.text();
    return response.status === 200;
  }

  /** Ends it as a deployment does. It is not ready from that moment on. */
  async stop(): Promise<void> {
    this.isLeaving = true;
    const ending = this.#child!.stop("SIGTERM");
    const seen = (async () => {
      for (;;) {
        const response = await fetch(`${this.url}/readyz`);
        if (response.status === 503 && (await response.json()).detail === "Not ready: the service is stopping") return;
      }
    })().catch(() => {}); // it may be gone before it is asked
    const { code, stdout, stderr } = await ending;
    await seen;
    assert.deepEqual([code, stdout], [0, ""], stderr);
    this.logged += stderr;
  }

  async kill(): Promise<void> {
    await this.#child?.stop("SIGKILL");
  }
}

async function startMembers(t: TestContext, brokers: string, app: string): Promise<Member[]> {
  const members = Array.from({ length: INSTANCES }, (_, index) => new Member(brokers, app, index));
  t.after(async () => {
    for (const member of members) await member.kill();
  });
  await Promise.all(members.map((member) => member.start()));
  return members;
}

/** All are ready, as a deployment asks before its next step. */
async function untilReady(members: readonly Member[]): Promise<void> {
  await until("every instance is ready", async () => {
    const ready = await Promise.all(members.map((member) => member.isReady()));
    return ready.every(Boolean);
  });
}

/** Puts records in, round by round, until it is told to stop. */
function feedSteadily(feed: Feed): { readonly end: () => Promise<void> } {
  let isOver = false;
  const feeding = (async () => {
    for (; !isOver; await sleep(30)) await feed.add(1);
  })();
  feeding.catch(() => {}); // its end tells
  return {
    end: async () => {
      isOver = true;
      await feeding;
    },
  };
}

async function openLog(t: TestContext, brokers: string): Promise<Log> {
  const log = await kafkaLog({ brokers: [brokers] });
  t.after(() => log.close());
  return log;
}

test("instances are restarted in turn, twice: every result is there once, and no query gets a wrong answer", async (t) => {
  const brokers = await kafkaBrokers();
  const log = await openLog(t, brokers);
  const app = `rolling-${randomUUID().slice(0, 8)}`;
  const topics = ["views", "clicks", "notes", "counts"];
  await log.createTopics(topics.map((name) => ({ name: `${app}-${name}`, partitions: PARTITIONS })));
  const members = await startMembers(t, brokers, app);
  await untilReady(members);

  const feed = new Feed(app, log);
  const feeding = feedSteadily(feed);
  const asked = (): Asked[] => members.map(({ url, isLeaving }) => ({ url, isLeaving }));
  const questions = new Questions(asked, () => feed.times);
  t.after(async () => {
    await questions.end();
    await feeding.end().catch(() => {}); // its log may be closed by now
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const member of members) {
      const before = feed.times;
      await member.stop();
      await member.start();
      await untilReady(members);
      assert.ok(feed.times > before, "records came meanwhile");
      assert.deepEqual(questions.wrong, []);
    }
  }
  await feeding.end();
  for (const member of members) await feed.untilCounted(member);
  await questions.end();
  assert.deepEqual(questions.wrong, []);
  assert.ok(questions.answers.counts > 100, JSON.stringify(questions.answers));
  t.diagnostic(`${feed.times} rounds of records; ${JSON.stringify(questions.answers)}`);

  await Promise.all(members.map((member) => member.stop()));
  const lines = members.flatMap(({ logged }) => logged.trimEnd().split("\n").map((line) => JSON.parse(line)));
  assert.deepEqual(lines.filter(({ severity, code }) => severity === "ERROR" || code === "TIDEMARK_DEAD_LETTER"), []);
  await feed.assertExact(brokers);
  const { start, end } = await log.bounds({ topic: `${app}.dead-letters`, partition: 0 });
  assert.equal(end - start, 0, "no dead letters");
});
