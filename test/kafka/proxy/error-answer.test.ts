import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { test } from "node:test";
import createRequest from "kafkajs/src/protocol/request.js";
import protocol from "kafkajs/src/protocol/requests/index.js";
import { ByteSource } from "./byte-source.ts";
import { errorAnswer, versionsOf } from "./error-answer.ts";
import { type Api, peekRequest } from "./request.ts";

const txn = { transactionalId: "tx-ü", producerId: "7", producerEpoch: 3 };
const member = { groupId: "group", groupGenerationId: 4, generationId: 4, memberId: "member" };

/** What each request asks for. */
const ASKED: Partial<Record<Api, Record<string, unknown>>> = {
  Produce: {
    ...{ ...txn, acks: -1, timeout: 1000, compression: 0 },
    topicData: ["a", "b"].map((topic) => ({
      topic,
      partitions: [0, 1].map((partition) => ({
        partition,
        firstSequence: 0,
        messages: [{ key: "k", value: "v".repeat(50), headers: {}, timestamp: 1 }],
      })),
    })),
  },
  Fetch: {
    ...{ maxWaitTime: 1, minBytes: 1, maxBytes: 100, isolationLevel: 1, rackId: "rack" },
    topics: ["a", "b"].map((topic) => ({
      topic,
      partitions: [0, 1].map((partition) => ({ partition, fetchOffset: "5", maxBytes: 9 })),
    })),
  },
  ListOffsets: {
    topics: ["a", "b"].map((topic) => ({
      topic,
      partitions: [0, 1].map((partition) => ({ partition, timestamp: "-1" })),
    })),
  },
  OffsetFetch: { groupId: "group", topics: [{ topic: "a", partitions: [{ partition: 0 }] }] },
  FindCoordinator: { coordinatorKey: "group", groupId: "group", coordinatorType: 0 },
  JoinGroup: {
    ...member,
    ...{ sessionTimeout: 1, rebalanceTimeout: 1, protocolType: "consumer", groupProtocols: [{ name: "n" }] },
  },
  Heartbeat: member,
  LeaveGroup: { ...member, members: [{ memberId: "member" }] },
  SyncGroup: { ...member, groupAssignment: [] },
  InitProducerId: { transactionalId: "tx", transactionTimeout: 1 },
  AddPartitionsToTxn: { ...txn, topics: ["a", "b"].map((topic) => ({ topic, partitions: [0, 1] })) },
  AddOffsetsToTxn: { ...txn, groupId: "group" },
  EndTxn: { ...txn, transactionResult: true },
  TxnOffsetCommit: {
    ...{ ...txn, groupId: "group" },
    topics: ["a", "b"].map((topic) => ({
      topic,
      partitions: [0, 1].map((partition) => ({ partition, offset: "5", metadata: partition ? "m" : null })),
    })),
  },
};

/** The codes that an answer tells for partitions, by topic and partition; for those that ask for some. */
function codesOf(answer: Record<string, unknown>): string[] {
  const topics = (answer["topics"] ?? answer["errors"] ?? answer["responses"] ?? []) as Record<string, unknown>[];
  return topics.flatMap((topic) => {
    const partitions = (topic["partitions"] ?? topic["partitionErrors"]) as { partition: number; errorCode: number }[];
    return partitions.map(({ partition, errorCode }) =>
      `${topic["topic"] ?? topic["topicName"]} ${partition} ${errorCode}`
    );
  });
}

/** The requests that are answered for each partition. */
const PER_PARTITION = new Set<Api>(["Produce", "Fetch", "ListOffsets", "AddPartitionsToTxn", "TxnOffsetCommit"]);

for (const [api, asked] of Object.entries(ASKED) as [Api, Record<string, unknown>][]) {
  const [least, most] = versionsOf(api)!;
  for (let version = least; version <= most; version++) {
    test(`kafkajs reads the error answer of ${api} ${version}`, async () => {
      const { request, response } = protocol.requests[api === "FindCoordinator" ? "GroupCoordinator" : api]
        .protocol({ version })(asked);
      const frame: Buffer = (await createRequest({ request, correlationId: 99, clientId: "client-ü" })).buffer;
      const head = await peekRequest(
        new ByteSource((async function* () {
          yield frame;
        })()),
      );
      assert.deepEqual(
        [head!.api, head!.version, head!.correlationId, head!.clientId, head!.frameBytes],
        [api, version, 99, "client-ü", frame.length],
      );
      const answer = errorAnswer(head!, frame, 51);
      assert.deepEqual([answer.readInt32BE(0), answer.readInt32BE(4)], [answer.length - 4, 99]);
      const decoded = await response.decode(answer.subarray(8));
      if (PER_PARTITION.has(api)) assert.deepEqual(codesOf(decoded), ["a 0 51", "a 1 51", "b 0 51", "b 1 51"]);
      await assert.rejects(response.parse(decoded), { name: "KafkaJSProtocolError", code: 51 });
    });
  }
}
