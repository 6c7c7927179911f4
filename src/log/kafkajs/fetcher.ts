import { TidemarkError } from "../../core/errors.ts";
import { Nap } from "../nap.ts";
import { outOfRange } from "../refusals.ts";
import type { Cluster } from "./cluster.ts";
import type { KafkaCursor } from "./cursor.ts";
import { failed, isPassing, KAFKA, Refused } from "./failures.ts";
import { boundsOf } from "./offsets.ts";
import { type Fetched, fetchRequest } from "./requests.ts";

/** A broker waits this long for something new before it answers with nothing, in ms. */
const WAIT_MS = 500;

/** What one fetch brings at most: of one partition, and of all. */
const PARTITION_BYTES = 1024 * 1024;
const FETCH_BYTES = 8 * 1024 * 1024;

/** A partition is fetched again when less than this is left of it. */
const LOW_BYTES = 512 * 1024;

/** After a failure that may pass a partition rests this long, in ms. */
const REST_MS = 100;

/** A partition whose fetches have failed for this long fails its reader, in ms. */
const FAILING_MS = 15_000;

/**
 * Fetches ahead for a reader's cursors: always one request on its way to each broker that leads some of them, and no more
 * than about {@link PARTITION_BYTES} and {@link LOW_BYTES} held for each.
 */
export class Fetcher {
  readonly #cluster: Cluster;
  readonly #cursors: readonly KafkaCursor[];
  readonly #nap = new Nap();
  /** The brokers that are being asked, with whom for. */
  readonly #asked = new Map<number, ReadonlySet<KafkaCursor>>();
  /** Resolves when all has come to rest after the cluster was closed. */
  readonly ended: Promise<void>;

  constructor(cluster: Cluster, cursors: readonly KafkaCursor[]) {
    this.#cluster = cluster;
    this.#cursors = cursors;
    this.ended = this.#run();
  }

  /** Something was handed out, paused or resumed: look again. */
  readonly wake = (): void => {
    this.#nap.wake();
  };

  async #run(): Promise<void> {
    const { signal } = this.#cluster;
    while (!signal.aborted) {
      this.#nap.prepare();
      for (const [leader, cursors] of await this.#due()) void this.#fetch(leader, cursors);
      await this.#nap.sleep(this.#restMs(), signal);
    }
  }

  /** Whom to ask for what now. */
  async #due(): Promise<Map<number, KafkaCursor[]>> {
    const due = new Map<number, KafkaCursor[]>();
    const now = performance.now();
    const busy = new Set([...this.#asked.values()].flatMap((cursors) => [...cursors]));
    for (const cursor of this.#cursors) {
      if (cursor.isPaused || cursor.bytes >= LOW_BYTES || cursor.resumesAt > now || busy.has(cursor)) continue;
      try {
        const leader = await this.#cluster.leader(cursor);
        if (!this.#asked.has(leader)) due.set(leader, [...due.get(leader) ?? [], cursor]);
      } catch (error) {
        this.#suffer(cursor, error);
      }
    }
    return due;
  }

  /** How long nobody can become due by himself. */
  #restMs(): number {
    const now = performance.now();
    const rests = this.#cursors.map(({ resumesAt }) => resumesAt - now).filter((ms) => ms > 0);
    return Math.min(WAIT_MS, ...rests);
  }

  async #fetch(leader: number, cursors: readonly KafkaCursor[]): Promise<void> {
    this.#asked.set(leader, new Set(cursors));
    const from = cursors.map(({ topic, partition, fetched }) => ({ topic, partition, offset: fetched }));
    const wanted = Math.max(PARTITION_BYTES, ...cursors.map(({ wantedBytes }) => wantedBytes));
    // Those that are not part of this request must not wait for it to find nothing.
    const waitMs = cursors.length < this.#cursors.length ? WAIT_MS / 5 : WAIT_MS;
    const sizes = { waitMs, maxBytes: Math.max(FETCH_BYTES, wanted), partitionBytes: wanted };
    try {
      const answers = await this.#cluster.send(leader, fetchRequest(from, sizes));
      for (const answer of answers) await this.#accept(cursors, answer);
    } catch (error) {
      for (const cursor of cursors) this.#suffer(cursor, error);
    } finally {
      this.#asked.delete(leader);
      this.#nap.wake();
    }
  }

  async #accept(cursors: readonly KafkaCursor[], answer: Fetched): Promise<void> {
    const cursor = cursors.find(({ topic, partition }) => topic === answer.topic && partition === answer.partition)!;
    try {
      if (answer.errorCode === KAFKA.offsetOutOfRange) {
        throw outOfRange({ ...answer, offset: cursor.fetched }, await boundsOf(this.#cluster, cursor));
      }
      if (answer.errorCode !== KAFKA.none) throw new Refused("Fetch", answer.errorCode);
      cursor.accept(answer);
    } catch (error) {
      this.#suffer(cursor, error);
    }
  }

  /** Lets a failure pass, unless it lasts or never will. */
  #suffer(cursor: KafkaCursor, error: unknown): void {
    if (this.#cluster.signal.aborted) return;
    const now = performance.now();
    this.#cluster.forget(cursor);
    cursor.resumesAt = now + REST_MS;
    const isNew = error instanceof TidemarkError && error.code === "TIDEMARK_LOG_TOPIC_UNKNOWN";
    cursor.failingSince ??= now;
    if ((isPassing(error) || isNew) && now - cursor.failingSince < FAILING_MS) return;
    cursor.fail(failed(`read "${cursor.topic}" partition ${cursor.partition}`, error));
  }
}
