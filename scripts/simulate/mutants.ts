/** A change of the sources. */
export interface Edit {
  /** The file that is changed. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/** A safeguard that is taken away, to see that the simulation misses it. */
export interface Mutant extends Edit {
  readonly name: string;
  /** A second one of the same kind, where each alone is enough. */
  readonly also?: Edit;
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
    from: "return this.hasSteps || this.isDue;",
    to: "return this.hasSteps;",
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
    from: "    if (!isIdle && watermark < low) low = watermark;",
    to: "    if (!isIdle && (low === Infinity || watermark > low)) low = watermark;",
  },
  {
    name: "watermark-without-bound",
    file: "src/core/watermark.ts",
    from: "    if (watermark > this.watermark) this.watermark = watermark;",
    to: "    this.watermark = watermark;",
  },
  {
    name: "late-one-ms-early",
    file: "src/core/takers.ts",
    from: "  return watermark >= start + sizeMs + allowedLatenessMs;",
    to: "  return watermark >= start + sizeMs + allowedLatenessMs - 1;",
  },
  {
    name: "late-one-ms-late",
    file: "src/core/takers.ts",
    from: "  return watermark >= start + sizeMs + allowedLatenessMs;",
    to: "  return watermark > start + sizeMs + allowedLatenessMs;",
  },
  {
    name: "late-for-a-session-one-ms-late",
    file: "src/core/takers.ts",
    from: 'if (window?.kind === "session") return time + window.allowedLatenessMs;',
    to: 'if (window?.kind === "session") return time + window.allowedLatenessMs + 1;',
  },
  {
    name: "late-for-sliding-one-ms-late",
    file: "src/core/takers.ts",
    from: "return time + window.sizeMs + window.allowedLatenessMs - 1;",
    to: "return time + window.sizeMs + window.allowedLatenessMs;",
  },
  {
    name: "timer-fired-twice-after-a-restart",
    file: "src/core/live-actors.ts",
    from: "    if (!instance.isDirty) {",
    to: "    if (!instance.isDirty && !(Number.isNaN(instance.due) && instance.home.folder.isTimed)) {",
  },
  {
    name: "timers-not-restored",
    file: "src/core/instance.ts",
    from: "this.timers = t ?? NO_TIMERS;",
    to: "this.timers = NO_TIMERS;",
  },
  {
    name: "idle-while-awaited",
    file: "src/core/router.ts",
    from: "return input.plan.definition && input.isEmpty && !input.isAwaited ? input.lanes[0] : undefined;",
    to: "return input.plan.definition && input.isEmpty ? input.lanes[0] : undefined;",
    also: {
      file: "src/runtime/silence.ts",
      from: "if (!definition || !input.isEmpty || input.isAwaited) continue;",
      to: "if (!definition || !input.isEmpty || input.isAwaited && isFinishing) continue;",
    },
  },
  {
    name: "idle-while-others-are-waited-for",
    file: "src/core/router.ts",
    from: "return input.plan.definition && input.isEmpty && !input.isAwaited ? input.lanes[0] : undefined;",
    to: "return input.plan.definition && !input.isAwaited ? input.lanes[0] : undefined;",
    also: {
      file: "src/runtime/silence.ts",
      from: "if (!definition || !input.isEmpty || input.isAwaited) continue;",
      to: "if (!definition || input.isAwaited || !input.isEmpty && isFinishing) continue;",
    },
  },
  {
    name: "alone-sent-early",
    file: "src/core/waiting.ts",
    from: "entry.isPast && lastTime(instance.home.definition, entry) <= time",
    to: "entry.isPast",
  },
  {
    name: "left-alone-sent-early",
    file: "src/core/next.ts",
    from: 'return time + (side.of === "left" ? side.join.afterMs : side.join.beforeMs);',
    to: 'return time + (side.of === "left" ? side.join.afterMs - 1 : side.join.beforeMs);',
  },
  {
    name: "session-closed-one-ms-early",
    file: "src/core/window.ts",
    from: 'return kind === "session" ? allowedLatenessMs + 1 : allowedLatenessMs;',
    to: "return allowedLatenessMs;",
  },
  {
    name: "output-watermark-ahead-of-what-is-due",
    file: "src/core/router.ts",
    from: "Math.min(this.#watermark, this.#actors.due - 1)",
    to: "this.#watermark",
  },
  {
    name: "emission-without-floor",
    file: "src/core/publisher.ts",
    from: "before: floor, watermark",
    to: "before: -Infinity, watermark",
  },
  {
    name: "closed-window-opened-again",
    file: "src/core/intake.ts",
    from: "      if (isOver(one, watermark)) {",
    to: "      if (false) {",
  },
  {
    name: "inbox-message-dropped-from-commit",
    file: "src/core/publisher.ts",
    from: 'else if (effect.kind === "send" && effect.to) outputs',
    to: 'else if (effect.kind === "send" && effect.to && outputs.length === 0) outputs',
  },
];
