import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import {
  answerAlthoughDone,
  answerInstead,
  cut,
  delay,
  delayAnswer,
  dropAfter,
  dropBefore,
  type Fault,
  type FaultProxy,
  startProxy,
  withhold,
} from "./proxy.ts";
import { FakeBroker, FakeClient, trickle } from "./proxy/fake-broker.ts";

const METADATA = 3;
const HEARTBEAT = 12;
const END_TXN = 26;
const PRODUCE = 0;

interface World {
  readonly proxy: FaultProxy;
  readonly broker: FakeBroker;
  client(clientId?: string): Promise<FakeClient>;
}

/** A test with a proxy in front of a broker, and clients that are closed at its end. */
function testWith(title: string, body: (world: World) => Promise<void>): void {
  test(title, async () => {
    const broker = new FakeBroker();
    const proxy = await startProxy({ target: await broker.listen() });
    const clients: FakeClient[] = [];
    const client = async (clientId?: string) => {
      clients.push(await FakeClient.connect(proxy.port, clientId));
      return clients.at(-1)!;
    };
    try {
      await body({ proxy, broker, client });
      await proxy.close();
      assert.equal(proxy.connections, 0);
    } finally {
      for (const { socket } of clients) socket.destroy();
      await proxy.close().catch(() => {});
      await broker.close();
    }
  });
}

/** The bodies of the next answers, as text. */
async function answers(client: FakeClient, count: number): Promise<string[]> {
  const bodies: string[] = [];
  for (let i = 0; i < count; i++) bodies.push((await client.answer())!.body.toString());
  return bodies;
}

const bodiesOf = (broker: FakeBroker): string[] => broker.asked.map(({ body }) => body.toString());

testWith("requests and answers pass unchanged, many in one chunk", async ({ proxy, broker, client }) => {
  const one = await client("ümlaut");
  const bodies = ["", "a", "x".repeat(300_000), "last"];
  one.socket.write(Buffer.concat(bodies.map((body) => one.frame(METADATA, body, 6))));
  assert.deepEqual(await answers(one, 4), bodies);
  assert.deepEqual(
    broker.asked.map(({ key, version, correlationId, clientId }) => [key, version, correlationId, clientId]),
    [1, 2, 3, 4].map((id) => [METADATA, 6, id, "ümlaut"]),
  );
  assert.equal(proxy.count("Metadata"), 4);
  assert.equal(proxy.count("Fetch"), 0);
});

testWith("frames are found byte by byte, both ways", async ({ proxy, broker, client }) => {
  const rule = proxy.on({ api: "EndTxn", nth: 2 }, answerAlthoughDone(51));
  broker.isSlow = true;
  const one = await client();
  await trickle(one.socket, Buffer.concat(["one", "two", "three"].map((body) => one.frame(END_TXN, body))));
  assert.deepEqual((await one.answer())!.body.toString(), "one");
  assert.deepEqual([...(await one.answer())!.body], [0, 0, 0, 0, 0, 51]);
  assert.deepEqual((await one.answer())!.body.toString(), "three");
  assert.deepEqual(bodiesOf(broker), ["one", "two", "three"]);
  await rule.hit;
});

testWith("dropBefore: the broker never sees the request, the client sees its connection close", async (world) => {
  const rule = world.proxy.on({ api: "EndTxn" }, dropBefore);
  const one = await world.client();
  one.send(END_TXN);
  await Promise.all([one.closed, rule.hit]);
  const two = await world.client();
  two.send(END_TXN, "again");
  assert.deepEqual(await answers(two, 1), ["again"]);
  assert.deepEqual(bodiesOf(world.broker), ["again"]);
  assert.deepEqual([one.bytes, rule.hits, world.proxy.count("EndTxn")], [0, 1, 2]);
});

testWith("dropAfter: the broker has answered, the client sees only its connection close", async (world) => {
  const rule = world.proxy.on({ api: "EndTxn" }, dropAfter);
  const one = await world.client();
  one.send(END_TXN, "done");
  await rule.hit;
  assert.deepEqual(bodiesOf(world.broker), ["done"]);
  await one.closed;
  assert.equal(one.bytes, 0);
});

testWith("dropAfter waits for the broker's answer", async ({ proxy, broker, client }) => {
  broker.answers = ({ key }) => key !== END_TXN;
  const rule = proxy.on({ api: "EndTxn" }, dropAfter);
  const one = await client();
  one.send(END_TXN);
  one.send(METADATA, "after");
  assert.deepEqual(await answers(one, 1), ["after"]);
  assert.equal(rule.hits, 0);
});

testWith("withhold: the answer never comes, later ones do", async ({ proxy, broker, client }) => {
  const rule = proxy.on({ api: "EndTxn" }, withhold);
  const one = await client();
  one.send(END_TXN, "one");
  one.send(END_TXN, "two");
  assert.deepEqual(await answers(one, 1), ["two"]);
  await rule.hit;
  assert.deepEqual(bodiesOf(broker), ["one", "two"]);
});

testWith("cut: half of the answer comes, then the connection closes", async ({ proxy, broker, client }) => {
  const rule = proxy.on({ api: "Metadata" }, cut);
  const one = await client();
  one.send(METADATA, "x".repeat(92)); // its answer has 100 bytes
  await Promise.all([one.closed, rule.hit]);
  assert.equal(one.bytes, 50);
  assert.equal(broker.asked.length, 1);
});

testWith("delay: the request waits, and those behind it on its connection", async ({ proxy, broker, client }) => {
  const gate = Promise.withResolvers<void>();
  const rule = proxy.on({ api: "EndTxn" }, delay(gate.promise));
  const [one, two] = [await client(), await client()];
  one.send(END_TXN, "held");
  one.send(METADATA, "behind");
  await rule.hit;
  two.send(METADATA, "elsewhere");
  assert.deepEqual(await answers(two, 1), ["elsewhere"]);
  assert.deepEqual(bodiesOf(broker), ["elsewhere"]);
  gate.resolve();
  assert.deepEqual(await answers(one, 2), ["held", "behind"]);
});

testWith("a delayed request reaches the broker although its client is gone", async ({ proxy, broker, client }) => {
  const gate = Promise.withResolvers<void>();
  const rule = proxy.on({ api: "EndTxn" }, delay(gate.promise));
  const one = await client();
  one.send(END_TXN, "late");
  await rule.hit;
  one.socket.destroy();
  await one.closed;
  gate.resolve();
  await broker.hasCome(1);
  assert.deepEqual(bodiesOf(broker), ["late"]);
});

testWith("delayAnswer: the broker has answered, the client waits", async ({ proxy, broker, client }) => {
  const gate = Promise.withResolvers<void>();
  const rule = proxy.on({ api: "EndTxn" }, delayAnswer(gate.promise));
  const [one, two] = [await client(), await client()];
  one.send(END_TXN, "held");
  await rule.hit;
  assert.deepEqual(bodiesOf(broker), ["held"]);
  two.send(METADATA, "elsewhere");
  assert.deepEqual(await answers(two, 1), ["elsewhere"]);
  assert.equal(one.bytes, 0);
  gate.resolve();
  assert.deepEqual(await answers(one, 1), ["held"]);
});

for (const [name, fault] of Object.entries({ delay: delay(60), delayAnswer: delayAnswer(60) })) {
  testWith(`${name} may be given in ms`, async ({ proxy, client }) => {
    proxy.on({ api: "EndTxn" }, fault);
    const one = await client();
    const began = performance.now();
    one.send(END_TXN);
    await one.answer();
    assert.ok(performance.now() - began >= 55);
  });
}

testWith("answerInstead: the error comes in its turn, the broker knows of nothing", async (world) => {
  const gate = Promise.withResolvers<void>();
  const held = world.proxy.on({ api: "EndTxn" }, delayAnswer(gate.promise));
  const rule = world.proxy.on({ api: "EndTxn", nth: 2 }, answerInstead(51));
  const one = await world.client();
  for (const body of ["one", "two", "three"]) one.send(END_TXN, body);
  await held.hit;
  await world.broker.hasCome(2);
  assert.equal(rule.hits, 0);
  gate.resolve();
  assert.deepEqual((await one.answer())!.body.toString(), "one");
  assert.deepEqual(await one.answer(), { id: 2, body: Buffer.from([0, 0, 0, 0, 0, 51]) });
  assert.deepEqual((await one.answer())!.body.toString(), "three");
  assert.deepEqual(bodiesOf(world.broker), ["one", "three"]);
  await rule.hit;
});

testWith("a request without an answer holds up nothing", async ({ proxy, broker, client }) => {
  broker.answers = ({ key }) => key !== PRODUCE;
  proxy.on({ api: "EndTxn" }, answerInstead(51));
  const one = await client();
  one.send(PRODUCE, "no acknowledgement");
  one.send(END_TXN);
  one.send(METADATA, "asked");
  assert.deepEqual([...(await one.answer())!.body], [0, 0, 0, 0, 0, 51]);
  assert.deepEqual(await answers(one, 1), ["asked"]);
});

testWith("rules choose by number, by times and by client", async ({ proxy, client }) => {
  proxy.on({ api: "Heartbeat", nth: 2, times: 2, clientId: /^b/g }, answerInstead(27));
  const [one, two] = [await client("alpha"), await client("beta")];
  const told: [string, string][] = [];
  for (const id of ["alpha", "beta", "beta", "alpha", "beta", "beta"]) {
    const each = id === "alpha" ? one : two;
    each.send(HEARTBEAT, "well");
    const { body } = (await each.answer())!;
    told.push([id, body.toString() === "well" ? "well" : `error ${body.readInt16BE(4)}`]);
  }
  assert.deepEqual(told, [
    ["alpha", "well"],
    ["beta", "well"],
    ["beta", "error 27"],
    ["alpha", "well"],
    ["beta", "error 27"],
    ["beta", "well"],
  ]);
});

testWith("of several rules the oldest hits first; one may be cancelled", async ({ proxy, client }) => {
  for (const code of [1, 2]) proxy.on({ api: "EndTxn" }, answerInstead(code));
  const forever = proxy.on({ api: "EndTxn", times: Infinity }, answerInstead(3));
  const one = await client("exactly");
  proxy.on({ api: "EndTxn", clientId: "exact" }, dropBefore);
  const codes: number[] = [];
  for (let i = 0; i < 5; i++) {
    if (i === 4) forever.cancel();
    one.send(END_TXN, "well");
    codes.push((await one.answer())!.body.readInt16BE(2));
  }
  assert.deepEqual(codes.slice(0, 4), [0, 0, 0, 0]);
  assert.equal(codes[4], Buffer.from("well").readInt16BE(2));
  assert.equal(forever.hits, 2);
});

testWith("a refusing proxy closes connections and refuses new ones until it accepts again", async (world) => {
  const { proxy, client } = world;
  const one = await client();
  one.send(METADATA);
  await one.answer();
  await proxy.refuse();
  await one.closed;
  await assert.rejects(client(), { code: "ECONNREFUSED" });
  const { port } = proxy;
  await proxy.accept();
  assert.equal(proxy.port, port);
  const two = await client();
  two.send(METADATA, "back");
  assert.deepEqual(await answers(two, 1), ["back"]);
});

testWith("a stalled proxy lets nothing through, and loses nothing", async ({ proxy, broker, client }) => {
  const answered = proxy.on({ api: "EndTxn" }, delayAnswer(0));
  const [one, two] = [await client(), await client()];
  one.send(END_TXN, "answer held");
  await answered.hit;
  proxy.stall();
  const came = proxy.on({ api: "Metadata", nth: 2 }, delay(0));
  two.send(METADATA, "one");
  (await client()).send(METADATA, "two");
  await came.hit;
  assert.deepEqual(bodiesOf(broker), ["answer held"]);
  assert.equal(one.bytes, 0);
  proxy.resume();
  assert.deepEqual(await answers(one, 1), ["answer held"]);
  assert.deepEqual(await answers(two, 1), ["one"]);
  await broker.hasCome(3);
});

test("a proxy has a port before there is a broker; without one its clients are closed", async () => {
  const proxy = await startProxy();
  const broker = new FakeBroker();
  try {
    assert.equal(proxy.address, `127.0.0.1:${proxy.port}`);
    await (await FakeClient.connect(proxy.port)).closed;
    const address = await broker.listen();
    await broker.close();
    proxy.target = address;
    const early = await FakeClient.connect(proxy.port);
    early.send(METADATA);
    assert.equal(await early.answer(), undefined);
    const next = new FakeBroker();
    proxy.target = await next.listen();
    const one = await FakeClient.connect(proxy.port);
    one.send(METADATA, "found");
    assert.deepEqual(await answers(one, 1), ["found"]);
    await next.close();
    await one.closed;
  } finally {
    await proxy.close();
  }
});

testWith("a hit that has not come is rejected when the proxy closes", async ({ proxy, client }) => {
  const rule = proxy.on({ api: "EndTxn" }, delay(Promise.withResolvers().promise));
  const other = proxy.on({ api: "EndTxn", nth: 2 }, dropAfter);
  (await client()).send(END_TXN);
  await rule.hit;
  await proxy.close();
  await assert.rejects(other.hit, { message: "The proxy was closed before dropAfter happened to EndTxn" });
});

testWith("what the proxy cannot answer is told", async ({ proxy, client }) => {
  assert.throws(() => proxy.on({ api: "Metadata" }, answerInstead(3)), {
    message: "The proxy knows no error answer of Metadata",
  });
  proxy.on({ api: "EndTxn" }, answerInstead(51));
  const one = await client();
  one.send(END_TXN, "", 3);
  await one.closed;
  await assert.rejects(proxy.close(), { message: "The proxy cannot answer EndTxn of version 3: it knows 0 to 1" });
  await proxy.close();
});

/** What became of requests under chaos, and what it says it did. */
async function chaosOf(seed: number, others: number): Promise<[story: string, counts: Record<string, number>]> {
  const broker = new FakeBroker();
  const proxy = await startProxy({ target: await broker.listen() });
  const faults: Fault[] = [dropBefore, dropAfter, answerInstead(51), answerAlthoughDone(51)];
  const chaos = proxy.chaos({ seed, probability: 0.5, apis: ["EndTxn", "Heartbeat"], faults });
  let story = "";
  try {
    let client = await FakeClient.connect(proxy.port);
    for (let i = 0; i < 60; i++) {
      const before = broker.asked.length;
      client.send(END_TXN, "well");
      const body = (await client.answer())?.body.toString();
      const isDone = broker.asked.length > before;
      story += body === "well" ? "." : body === undefined ? (isDone ? "A" : "B") : (isDone ? "E" : "I");
      if (body === undefined) client = await FakeClient.connect(proxy.port);
      for (let n = 0; n < others; n++) {
        const other = await FakeClient.connect(proxy.port);
        other.send(HEARTBEAT);
        await other.answer();
        other.socket.destroy();
      }
    }
    chaos.stop();
    for (let i = 0; i < 20; i++) {
      client.send(END_TXN, "well");
      assert.deepEqual(await answers(client, 1), ["well"]);
    }
    client.socket.destroy();
    return [story, Object.fromEntries(chaos.counts)];
  } finally {
    await proxy.close();
    await broker.close();
  }
}

test("chaos follows from its seed alone, and counts what it did", async () => {
  const [story, counts] = await chaosOf(7, 0);
  const count = (letter: string) => story.split(letter).length - 1;
  assert.deepEqual(counts, {
    "EndTxn dropBefore": count("B"),
    "EndTxn dropAfter": count("A"),
    "EndTxn answerInstead(51)": count("I"),
    "EndTxn answerAlthoughDone(51)": count("E"),
  });
  assert.ok(count(".") > 15 && count(".") < 45, story);
  assert.deepEqual((await chaosOf(7, 1))[0], story);
  assert.notEqual((await chaosOf(8, 0))[0], story);
});
