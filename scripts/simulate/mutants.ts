/** A safeguard that is taken away, to see that the simulation misses it. */
export interface Mutant {
  readonly name: string;
  /** The file that is changed. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/** All of them. A few thousand runs find each; "place-gone-ends-the-instance" may take 10,000. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "store-written-before-commit",
    file: "src/runtime/commit.ts",
    from: "  const acks = await transaction.commit();\n",
    to: "  await store.write(changes);\n  const acks = await transaction.commit();\n",
  },
  {
    name: "owner-not-fenced",
    file: "src/log/local-producer.ts",
    from: "this.#owners.get(transactionalId)?.refuse(fenced(transactionalId));",
    to: "",
  },
  {
    name: "commit-of-fenced-owner",
    file: "src/log/local-producer.ts",
    from: '    if (this.#state !== "open") throw ended();\n    this.#check();\n',
    to: '    if (this.#state !== "open") throw ended();\n',
  },
  {
    name: "checkpoint-not-restored",
    file: "src/runtime/task.ts",
    from: "if (checkpoint) this.router.restore(checkpoint);",
    to: "",
  },
  {
    name: "outputs-ahead-of-commit",
    file: "src/runtime/commit.ts",
    from: "if (ahead.has(topic)) await",
    to: "await",
  },
  {
    name: "store-of-another-past",
    file: "src/runtime/restore.ts",
    from: "      return record.offset === offset &&",
    to: "      return true ||",
  },
  {
    name: "fence-not-waited-for",
    file: "src/runtime/restore.ts",
    from: "    for (let next = from; next <= fence;) {",
    to: "    for (let next = from; next < fence - 1;) {",
  },
  {
    name: "finished-with-windows-open",
    file: "src/core/router.ts",
    from: "return this.#plan.step !== undefined || this.isDue;",
    to: "return this.#plan.step !== undefined;",
  },
  {
    name: "task-given-back-stays-away",
    file: "src/runtime/own-tasks.ts",
    from: "else before.given.resolve();",
    to: "",
  },
  {
    name: "place-gone-ends-the-instance",
    file: "src/runtime/own-tasks.ts",
    from: "|| isGone && !life.hasLostPlace",
    to: "|| isGone && task.commits > 0",
  },
  {
    name: "trimmed-too-far",
    file: "src/runtime/task.ts",
    from: "await this.#settings.log.trim(input, input.done);",
    to: "await this.#settings.log.trim(input, input.end);",
  },
  {
    name: "maximum-for-minimum",
    file: "src/core/watermark.ts",
    from: "  return active ? low : high;",
    to: "  return active ? high : low;",
  },
  {
    name: "watermark-without-bound",
    file: "src/core/watermark.ts",
    from: "    if (watermark > this.watermark) this.watermark = watermark;",
    to: "    this.watermark = watermark;",
  },
];
