import { type ActorDefinition, isOrdered, sourceName } from "./actor.ts";
import { TidemarkError } from "./errors.ts";
import type { HeldJson } from "./held.ts";
import type { Group } from "./topology.ts";
import type { WatermarkJson } from "./watermark.ts";
import { isAligned } from "./window.ts";

/**
 * Where a task stands, as JSON: written as the last record of each of its transactions into its changelog, and with the same
 * changes into its store. It is the truth; a group's committed offsets are only for tools.
 */
export interface Checkpoint {
  readonly format: 1;
  readonly app: string;
  readonly group: string;
  readonly partition: number;
  /** Counts the commits of the task from 1. */
  readonly sequence: number;
  /** What the group read when it was written: topics, and windows of its actors. A change that does not fit is refused. */
  readonly shape: Shape;
  /** The task's watermark. */
  readonly watermark: WatermarkJson;
  readonly inputs: readonly InputCheckpoint[];
  /** What the store holds of each actor, for those who watch; undefined in those of older versions. */
  readonly held?: Readonly<Record<string, HeldJson>>;
}

/** The part of an app's definition that state depends on. */
export interface Shape {
  /** Of a group with actors; 0 for one that only passes records on, whose partitions may become more. */
  readonly partitions: number;
  readonly inputs: readonly string[];
  /**
   * Per actor what its rows depend on: of windows the kind and sizes in ms, of one that keeps records also their sources; null
   * for one that folds records as they come.
   */
  readonly windows: Readonly<Record<string, readonly (string | number)[] | null>>;
}

/** One input: the position of the next record, and how far each channel behind it has come. */
export interface InputCheckpoint {
  readonly topic: string;
  readonly offset: number;
  readonly channels: readonly ChannelCheckpoint[];
}

/**
 * How far a channel has come; with `true` for one that is idle, as the task upstream has told, which will not tell
 * again.
 */
export type ChannelCheckpoint = readonly [topic: string, partition: number, watermark: WatermarkJson, isIdle?: true];

/** The shape of a group as it is defined now. */
export function shapeOf({ partitions, inputs, actors }: Group): Shape {
  const windows = actors.map((actor) => [actor.name, formOf(actor)] as const);
  return {
    partitions: actors.length > 0 ? partitions : 0,
    inputs: inputs.map(({ topic }) => topic),
    windows: Object.fromEntries(windows),
  };
}

function formOf(actor: ActorDefinition): readonly (string | number)[] | null {
  const { window, sources } = actor;
  if (isAligned(window)) {
    const { kind, sizeMs, offsetMs, everyMs } = window;
    return kind === "tumbling" ? [kind, sizeMs, offsetMs] : [kind, sizeMs, offsetMs, everyMs];
  }
  if (!window && !isOrdered(actor)) return null;
  // What it keeps is told apart by the places of its sources.
  const from = sources.map(({ from, side }) => sourceName(from) + (side ? `, ${side.of}` : ""));
  return window ? [window.kind, window.sizeMs, ...from] : ["event-time", ...from];
}

/**
 * State written for another shape would be misread.
 * @throws TIDEMARK_TOPOLOGY_CHANGED with what changed
 */
export function checkShape({ app, group, shape }: Checkpoint, now: Shape): void {
  const refuse = (what: string) => {
    throw new TidemarkError(
      "TIDEMARK_TOPOLOGY_CHANGED",
      `Cannot go on with the state of group "${group}" of app "${app}": ${what}`,
    );
  };
  if (shape.partitions !== now.partitions) {
    refuse(
      `it was written for ${shape.partitions} partitions, now there are ${now.partitions}; use the old number or a new app name`,
    );
  }
  if (shape.inputs.join() !== now.inputs.join()) {
    refuse(
      `it was written from ${shape.inputs.join(", ")}, now it would read ${now.inputs.join(", ")}; use a new app name`,
    );
  }
  for (const [actor, window] of Object.entries(now.windows)) {
    const old = shape.windows[actor];
    if (old !== undefined && JSON.stringify(old) !== JSON.stringify(window)) {
      refuse(
        `${old?.[0] === "event-time" ? "what waits for" : "the window of"} actor "${actor}" was ${
          JSON.stringify(old)
        } and is ${JSON.stringify(window)}; rename the actor`,
      );
    }
  }
}
