import { TidemarkError } from "../../core/errors.ts";
import type { Assignment, GroupMember, JoinOptions, Membership } from "../log.ts";
import { closed } from "../refusals.ts";
import { Cluster } from "./cluster.ts";
import { checkCode, failed, isPassing, KAFKA, Refused } from "./failures.ts";
import { assignmentBytes, assignmentOf, memberBytes, memberOf } from "./group-bytes.ts";
import { pause } from "./retry.ts";

/** How often per session a member says that it is alive. */
const BEATS = 20;

/** How long leaving may take, in ms; after that the others find out by themselves. */
const LEAVE_WITHIN_MS = 3_000;

const NONE: Assignment = { own: new Set(), addresses: new Map() };

interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Uint8Array }[];
}

/**
 * A member of one of Kafka's consumer groups, which shares out tasks instead of partitions. It keeps its tasks while the
 * group agrees anew: whoever gets one of them next fences it.
 */
export class KafkaMember implements Membership {
  readonly #options: JoinOptions;
  readonly #cluster: Cluster;
  readonly #closed: () => void;
  readonly #ended: Promise<void>;
  #closing: Promise<void> | undefined;
  #tasks: readonly string[];
  /** Aborted to join anew. */
  #again = new AbortController();
  #memberId = "";
  #assignment = NONE;
  #told: Assignment | undefined;
  #failure: TidemarkError | undefined;
  /** Who waits for an assignment, and who for a sign that this is a member. */
  #changed = Promise.withResolvers<void>();
  #confirmed = Promise.withResolvers<void>();

  /**
   * @param cluster its own: to join is to wait
   * @param closed is called once, when the place is given up
   */
  constructor(cluster: Cluster, options: JoinOptions, closed: () => void) {
    this.#cluster = cluster;
    this.#options = options;
    this.#tasks = options.tasks;
    this.#closed = closed;
    this.#ended = this.#run();
  }

  get current(): Assignment | undefined {
    return this.#assignment === NONE ? undefined : this.#assignment;
  }

  async next(): Promise<Assignment> {
    while (this.#told === this.#assignment || this.#assignment === NONE && this.#told === undefined) {
      if (this.#failure) throw this.#failure;
      await this.#changed.promise;
    }
    if (this.#failure) throw this.#failure;
    return this.#told = this.#assignment;
  }

  async confirm(): Promise<ReadonlySet<string>> {
    if (!this.#failure) await this.#confirmed.promise;
    if (this.#failure) throw this.#failure;
    return this.#assignment.own;
  }

  change(tasks: readonly string[]): void {
    this.#tasks = tasks;
    this.#again.abort();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#failure ??= closed("group");
    this.#wake();
    // Leaving also ends a join that waits for the others. If it cannot be done, the session runs out.
    await this.#leave().catch(() => {});
    await this.#cluster.close();
    await this.#ended;
    this.#closed();
  }

  async #run(): Promise<void> {
    const { signal } = this.#cluster;
    while (!signal.aborted && !this.#failure) {
      try {
        await this.#beat(await this.#join());
      } catch (error) {
        if (!signal.aborted) await this.#suffer(error);
      }
    }
  }

  async #suffer(error: unknown): Promise<void> {
    const code = error instanceof Refused ? error.code : KAFKA.none;
    if (code === KAFKA.rebalanceInProgress) return;
    if (code === KAFKA.unknownMember || code === KAFKA.illegalGeneration) {
      if (code === KAFKA.unknownMember) this.#memberId = "";
      this.#publish(NONE);
    } else if (isPassing(error)) {
      this.#cluster.forget(this.#options.group);
      await pause(this.#cluster.settings.sessionTimeoutMs / BEATS, this.#cluster.signal);
    } else {
      this.#failure = this.#final(error);
      this.#wake();
    }
  }

  #final(error: unknown): TidemarkError {
    const { group } = this.#options;
    if (error instanceof Refused && error.code === KAFKA.inconsistentProtocol) {
      return new TidemarkError(
        "TIDEMARK_TOPOLOGY_CHANGED",
        `Cannot join group "${group}": an instance with other tasks, or another program, is in it; stop that one first, or ` +
          "give this app another name",
        { cause: error },
      );
    }
    if (error instanceof Refused && error.code === KAFKA.invalidSessionTimeout) {
      return new TidemarkError(
        "TIDEMARK_OPTION_INVALID",
        `Cannot use ${this.#cluster.settings.sessionTimeoutMs} as Kafka option "sessionTimeoutMs": the broker's ` +
          "group.min.session.timeout.ms and group.max.session.timeout.ms do not allow it",
        { cause: error },
      );
    }
    return failed(`join group "${group}"`, error);
  }

  /** Joins, or joins anew; the first of the members shares the tasks out. Answers with the generation agreed on. */
  async #join(): Promise<number> {
    const { group, topics, address, fingerprint } = this.#options;
    this.#again = new AbortController();
    const metadata = memberBytes({ topics, address, owned: [...this.#assignment.own] });
    const node = await this.#cluster.coordinator("group", group);
    const join = (memberId: string) =>
      this.#cluster.call<JoinAnswer>(node, "JoinGroup", {
        groupId: group,
        sessionTimeout: this.#cluster.settings.sessionTimeoutMs,
        rebalanceTimeout: Math.max(10_000, this.#cluster.settings.sessionTimeoutMs),
        memberId,
        protocolType: "consumer",
        groupProtocols: [{ name: fingerprint, metadata }],
      });
    let answer = await join(this.#memberId);
    if (answer.errorCode === KAFKA.memberIdRequired) answer = await join(this.#memberId = answer.memberId);
    checkCode("JoinGroup", answer.errorCode);
    const { generationId, leaderId, memberId } = answer;
    this.#memberId = memberId;
    const groupAssignment = leaderId === memberId ? this.#share(answer) : [];
    const synced = await this.#cluster.call<{ errorCode: number; memberAssignment: Uint8Array }>(node, "SyncGroup", {
      groupId: group,
      generationId,
      memberId,
      groupAssignment,
    });
    checkCode("SyncGroup", synced.errorCode);
    this.#publish(assignmentOf(synced.memberAssignment));
    return generationId;
  }

  #share({ members }: JoinAnswer): { memberId: string; memberAssignment: Uint8Array }[] {
    const known = members.map(({ memberId, memberMetadata }) => ({ id: memberId, ...memberOf(memberMetadata) }));
    const shares = this.#options.assign(this.#tasks, known satisfies GroupMember[]);
    const addresses = new Map(
      known.flatMap(({ id, address }) => (shares.get(id) ?? []).map((task) => [task, address])),
    );
    return known.map(({ id }) => ({
      memberId: id,
      memberAssignment: assignmentBytes(shares.get(id) ?? [], addresses),
    }));
  }

  /** Says that it is alive until the group agrees anew. */
  async #beat(generation: number): Promise<void> {
    const { group } = this.#options;
    for (;;) {
      await pause(
        this.#cluster.settings.sessionTimeoutMs / BEATS,
        AbortSignal.any([this.#cluster.signal, this.#again.signal]),
      );
      if (this.#cluster.signal.aborted || this.#again.signal.aborted) return;
      const node = await this.#cluster.coordinator("group", group);
      const { errorCode } = await this.#cluster.call<{ errorCode: number }>(node, "Heartbeat", {
        groupId: group,
        groupGenerationId: generation,
        memberId: this.#memberId,
      });
      checkCode("Heartbeat", errorCode);
      this.#confirm();
    }
  }

  async #leave(): Promise<void> {
    if (this.#memberId === "") return;
    const cluster = new Cluster({ ...this.#cluster.settings, requestTimeoutMs: LEAVE_WITHIN_MS });
    try {
      const node = await cluster.coordinator("group", this.#options.group);
      await cluster.call(node, "LeaveGroup", { groupId: this.#options.group, memberId: this.#memberId });
    } finally {
      await cluster.close();
    }
  }

  #publish(assignment: Assignment): void {
    this.#assignment = assignment;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#confirm();
  }

  #confirm(): void {
    this.#confirmed.resolve();
    this.#confirmed = Promise.withResolvers();
  }
}
