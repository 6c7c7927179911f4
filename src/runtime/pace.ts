import type { Input, Lane } from "../core/input.ts";
import type { Router } from "../core/router.ts";
import type { Clock } from "./clock.ts";

/** What a task is at: waiting for records, working on them, or committing. */
export type Phase = "reading" | "working" | "committing";

/** How long a speed is measured at least, in ms. */
const SPEED_MS = 1_000;

/** How one input has gone on so far. */
interface Course {
  /** When records came last; undefined when none has since the task began. */
  heardAt: number | undefined;
  /** Its position at some time, and the speed before that. */
  position: number;
  measuredAt: number;
  perSecond: number | undefined;
  /** How its channels stood when they were looked at last, and since when they stand so. */
  readonly stands: { watermark: number; since: number }[];
}

/** What a task is at, and since when. */
export class Stage {
  phase: Phase = "reading";
  readonly #clock: Pick<Clock, "monotonic">;
  #phaseAt: number;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
    this.#phaseAt = clock.monotonic();
  }

  /** It does something else from now on. */
  enter(phase: Phase): void {
    this.phase = phase;
    this.#phaseAt = this.#clock.monotonic();
  }

  /** For how long it has been at what it is at, in ms. */
  get phaseMs(): number {
    return this.#clock.monotonic() - this.#phaseAt;
  }
}

/**
 * When what a task sees has happened last, by the clock that never jumps. It is written once per turn and once per commit, and
 * read when somebody asks.
 */
export class Pace extends Stage {
  /** Since when nothing has come of the inputs that can fall idle. */
  readonly quietSince = new Map<Input, number>();
  readonly #router: Router;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #courses: ReadonlyMap<Input, Course>;
  #beganAt: number;
  #watermark = NaN;
  #watermarkAt: number;

  constructor(router: Router, clock: Pick<Clock, "monotonic">) {
    super(clock);
    this.#router = router;
    this.#clock = clock;
    const now = this.#beganAt = this.#watermarkAt = clock.monotonic();
    this.#courses = new Map(router.inputs.map((input) => {
      return [input, { heardAt: undefined, position: 0, measuredAt: now, perSecond: undefined, stands: [] }];
    }));
  }

  /** The task begins to work, from where its inputs stand now. */
  begin(): void {
    const now = this.#beganAt = this.#clock.monotonic();
    for (const [input, course] of this.#courses) {
      course.position = input.done;
      course.measuredAt = now;
    }
    this.enter("reading");
    this.look();
  }

  /** Records have come. */
  hear(input: Input): void {
    this.quietSince.delete(input);
    this.#courses.get(input)!.heardAt = this.#clock.monotonic();
  }

  /** Looks at how far everything is. */
  look(): void {
    const now = this.#clock.monotonic();
    if (this.#watermark !== this.#router.watermark) {
      this.#watermark = this.#router.watermark;
      this.#watermarkAt = now;
    }
    for (const [input, course] of this.#courses) {
      const { stands } = course;
      input.lanes.forEach(({ done: { watermark } }, index) => {
        const stand = stands[index] ??= { watermark: NaN, since: now };
        if (stand.watermark === watermark) return;
        stand.watermark = watermark;
        stand.since = now;
      });
      if (now - course.measuredAt < SPEED_MS) continue;
      course.perSecond = speedOf(input, course, now);
      course.position = input.done;
      course.measuredAt = now;
    }
  }

  /** For how long its watermark has stood still, in ms. */
  get standsMs(): number {
    return this.#watermark === this.#router.watermark ? this.#clock.monotonic() - this.#watermarkAt : 0;
  }

  /** For how long no records of an input have come, in ms: since it began, if none has come. */
  silentMs(input: Input): number {
    return this.#clock.monotonic() - (this.#courses.get(input)!.heardAt ?? this.#beganAt);
  }

  /** For how long a channel's watermark has stood still, in ms. */
  channelStandsMs(input: Input, lane: Lane): number {
    const stand = this.#courses.get(input)!.stands[input.lanes.indexOf(lane)];
    return stand?.watermark === lane.done.watermark ? this.#clock.monotonic() - stand.since : 0;
  }

  /** In how many ms an input will be idle if nothing comes; undefined when it never will be. */
  idleInMs(input: Input): number | undefined {
    const idleAfterMs = input.plan.definition?.idleAfterMs;
    if (idleAfterMs === undefined) return undefined;
    const now = this.#clock.monotonic();
    return Math.max(0, (this.quietSince.get(input) ?? now) + idleAfterMs - now);
  }

  /** How many offsets of an input it gets through in a second; undefined when it has not worked for long enough. */
  perSecond(input: Input): number | undefined {
    const course = this.#courses.get(input)!;
    const now = this.#clock.monotonic();
    return now - course.measuredAt < SPEED_MS ? course.perSecond : speedOf(input, course, now);
  }
}

function speedOf({ done }: Input, { position, measuredAt }: Course, now: number): number {
  return (done - position) / (now - measuredAt) * 1_000;
}
