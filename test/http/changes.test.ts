import assert from "node:assert/strict";
import { test } from "node:test";
import { openSite, type Site, until } from "./site.ts";

interface Event {
  readonly id: number;
  readonly data: {
    readonly key: string;
    readonly context?: { readonly views: number };
    readonly windows?: readonly { readonly context: { readonly count: number } }[];
    readonly gone?: true;
    readonly skipped?: true;
    readonly standing: { readonly sequence: number };
  };
}

/** A client of a stream. */
class Client {
  readonly events: Event[] = [];
  comments = 0;
  hasEnded = false;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(response: Response) {
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads on until something is so, or the end. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo() && !this.hasEnded) {
      const { done, value } = await within(this.#reader.read());
      if (done) this.hasEnded = true;
      else this.#take(value);
    }
  }

  /** Reads so many events. */
  async read(count: number): Promise<Event[]> {
    const start = this.events.length;
    await this.until(() => this.events.length >= start + count);
    return this.events.slice(start);
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  #take(piece: string): void {
    const blocks = (this.#rest + piece).split("\n\n");
    this.#rest = blocks.pop()!;
    for (const block of blocks) {
      if (block === ":") this.comments++;
      const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/, 2) as [string, string]));
      if (fields.has("data")) this.events.push({ id: Number(fields.get("id")), data: JSON.parse(fields.get("data")!) });
    }
  }
}

/** What takes too long is a failure. */
async function within<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("nothing came for 20 seconds")), 20_000);
  return await Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}

async function follow(site: Site, path: string, lastEventId?: number): Promise<Client> {
  return new Client(
    await site.ask(path, lastEventId === undefined ? {} : { headers: { "last-event-id": `${lastEventId}` } }),
  );
}

test("a stream tells the state as it is, and then every committed one in order", async (t) => {
  const site = await openSite(t);
  await site.view(["a"]);
  const client = await follow(site, "/actors/totals/a/changes");
  const events = await client.read(1);
  for (let n = 2; n <= 10; n++) {
    await site.view(["a", "b"]);
    events.push(...await client.read(1));
  }
  assert.deepEqual(events.map(({ data }) => data.context!.views), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual(events.map(({ data }) => data.skipped), Array(10).fill(undefined));
  for (const [index, { id, data }] of events.entries()) {
    assert.equal(id, data.standing.sequence);
    if (index > 0) assert.ok(id > events[index - 1]!.id);
  }
  const { context } = await (await site.ask("/actors/totals/a")).json();
  assert.deepEqual(events.at(-1)!.data.context, context);
  await client.close();
});

test("a key without a state can be followed until it has one; so can the windows of a key", async (t) => {
  const site = await openSite(t);
  await site.runtime.opened;
  const [totals, windows] = [
    await follow(site, "/actors/totals/a/changes"),
    await follow(site, "/actors/per-minute/a/changes"),
  ];
  assert.equal((await totals.read(1))[0]!.data.gone, true);
  assert.deepEqual((await windows.read(1))[0]!.data.windows, []);
  await site.view(["b"]);
  await site.view(["a", "a"]);
  const counted = () => windows.events.at(-1)!.data.windows![0]?.context.count === 2;
  await Promise.all([totals.until(() => totals.events.at(-1)!.data.context?.views === 2), windows.until(counted)]);
  await Promise.all([totals.close(), windows.close()]);
});

test("who comes back is told the state again, and that some may be missing, unless nothing was committed since", async (t) => {
  const site = await openSite(t);
  await site.view(["a"]);
  const first = await follow(site, "/actors/totals/a/changes");
  const [{ id }] = await first.read(1) as [Event];
  await first.close();
  await site.view(["a"]);
  await site.view(["a"]);
  const second = await follow(site, "/actors/totals/a/changes", id);
  const [again] = await second.read(1) as [Event];
  assert.deepEqual([again.data.context!.views, again.data.skipped], [3, true]);
  await second.close();
  const { standing } = await (await site.ask("/actors/totals/a")).json();
  const third = await follow(site, "/actors/totals/a/changes", standing.sequence);
  await site.view(["a"]);
  const [next] = await third.read(1) as [Event];
  assert.deepEqual([next.data.context!.views, next.data.skipped], [4, undefined]);
  await third.close();
});

test("a client that is slow gets the newest state and is told that others were passed over; nothing piles up", async (t) => {
  const site = await openSite(t);
  await site.view(["a"]);
  const client = await follow(site, "/actors/totals/a/changes");
  await client.read(1);
  for (let n = 0; n < 50; n++) await site.view(["a"]);
  // One event at most was made before it was asked for.
  const events = await client.read(1);
  if (events[0]!.data.context!.views < 51) events.push(...await client.read(1));
  assert.equal(events.at(-1)!.data.context!.views, 51);
  assert.equal(events.at(-1)!.data.skipped, true);
  await client.close();
});

test("a stream without news says that it is there", async (t) => {
  const site = await openSite(t, { limits: { heartbeatMs: 20 } });
  await site.view(["a"]);
  const client = await follow(site, "/actors/totals/a/changes");
  await client.until(() => client.comments >= 3);
  assert.equal(client.events.length, 1);
  await client.close();
});

test("streams are bounded in number, and a client that goes makes room", async (t) => {
  const site = await openSite(t, { limits: { streams: 2 } });
  await site.view(["a"]);
  const clients = [await follow(site, "/actors/totals/a/changes"), await follow(site, "/actors/totals/b/changes")];
  const refused = await site.ask("/actors/totals/a/changes");
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assert.equal((await refused.json()).code, "TIDEMARK_BUSY");
  await clients[0]!.read(1);
  await clients[0]!.close();
  const third = await follow(site, "/actors/totals/a/changes");
  await third.close();
  await site.ask("/actors/totals/a/changes", { method: "HEAD" });
  assert.equal((await site.ask("/actors/nope/a/changes")).status, 404);
  assert.equal((await site.ask(`/actors/totals/${"x".repeat(16_385)}/changes`)).status, 400);
  const fourth = await follow(site, "/actors/totals/a/changes");
  await Promise.all([fourth.close(), clients[1]!.close()]);
});

test("a stream ends with the task and with the service", async (t) => {
  const stopping = new AbortController();
  const site = await openSite(t, { stopping: stopping.signal });
  await site.view(["a"]);
  const first = await follow(site, "/actors/totals/a/changes");
  await first.read(1);
  stopping.abort();
  await first.until(() => false);
  const other = await openSite(t);
  await other.view(["a"]);
  const second = await follow(other, "/actors/totals/a/changes");
  await second.read(1);
  await other.runtime.stop();
  await second.until(() => false);
  assert.ok(first.hasEnded && second.hasEnded);
  await until(async () => (await other.ask("/actors/totals/a/changes")).status === 503);
});
