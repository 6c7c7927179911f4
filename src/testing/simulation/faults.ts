import { TidemarkError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/record.ts";
import type { Random } from "./random.ts";

/** What can go wrong; the number of times each did is in a run's report. */
export type Fault =
  | "crash"
  | "error"
  | "freeze"
  | "expelled"
  | "leave"
  | "clock jump"
  | "disk lost"
  | "disk behind"
  | "disk damaged"
  | "late request";

/** What may befall a call: the process dies, or the call fails; before it took effect, or after. */
type Mishap = { readonly kind: "crash" | "error"; readonly isAfter: boolean };

/** Calls that matter more than others, and those that are so many that each matters less. */
const WEIGHTS: Readonly<Record<string, number>> = { commit: 4, write: 3, producer: 3, poll: 0.3 };

/**
 * What goes wrong in a run. Each run has its own mixture, drawn from its seed: some have none of a fault, some have it often, so
 * that rare meetings of two faults come about too.
 */
export class Faults {
  /** How many of each there were. */
  readonly counts = new Map<Fault, number>();
  /** Nothing goes wrong any more. */
  areOver: boolean;
  #crashesLeft: number;
  readonly #random: Random;
  readonly #crashRate: number;
  readonly #errorRate: number;
  /** Per step. */
  readonly #freezeRate: number;
  readonly #leaveRate: number;
  readonly #jumpRate: number;
  readonly #latencyMs: number;
  readonly #portionRate: number;
  readonly #silenceRate: number;

  constructor(random: Random, areOver: boolean) {
    this.#random = random;
    this.areOver = areOver;
    this.#crashesLeft = random.pick([0, 1, 2, 4, 8]);
    this.#crashRate = random.pick([0.005, 0.02, 0.06]);
    this.#errorRate = random.pick([0, 0, 0.005, 0.03]);
    this.#freezeRate = random.pick([0, 0.003, 0.015]);
    this.#leaveRate = random.pick([0, 0.003]);
    this.#jumpRate = random.pick([0, 0.01]);
    this.#latencyMs = random.pick([0, 3, 40, 400]);
    this.#portionRate = random.pick([0, 0.3, 0.9]);
    this.#silenceRate = random.pick([0, 0, 0.3, 0.9]);
  }

  /** A fault happened. */
  note(fault: Fault): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }

  /** What befalls a call; undefined for nothing. */
  befalls(what: string, mayFail: boolean): Mishap | undefined {
    if (this.areOver) return undefined;
    const weight = WEIGHTS[what.split(" ", 1)[0]!] ?? 1;
    const random = this.#random;
    if (this.#crashesLeft > 0 && random.chance(this.#crashRate * weight)) {
      this.#crashesLeft--;
      return { kind: "crash", isAfter: random.chance(0.5) };
    }
    if (!mayFail || !random.chance(this.#errorRate * weight)) return undefined;
    this.note("error");
    return { kind: "error", isAfter: random.chance(0.5) };
  }

  /** What befalls a process in a step, beside what befalls its calls. */
  strikes(): "freeze" | "leave" | "clock jump" | undefined {
    if (this.areOver) return undefined;
    if (this.#random.chance(this.#freezeRate)) return "freeze";
    if (this.#random.chance(this.#leaveRate)) return "leave";
    return this.#random.chance(this.#jumpRate) ? "clock jump" : undefined;
  }

  /** How long a request or an answer is under way, in ms. */
  latencyMs(): number {
    return this.#latencyMs === 0 || this.#random.chance(0.6) ? 0 : this.#random.below(this.#latencyMs);
  }

  /** How much a poll answers with at most, in bytes: sometimes next to nothing. */
  portion(maxBytes: number): number {
    return this.#random.chance(this.#portionRate) ? Math.min(maxBytes, this.#random.between(1, 400)) : maxBytes;
  }

  /** Which of the partitions that are read a poll brings nothing of, as when only their broker is slow: mostly the same again. */
  silent(partitions: readonly TopicPartition[], last: TopicPartition | undefined): TopicPartition | undefined {
    const random = this.#random;
    if (this.areOver || this.#silenceRate === 0) return undefined;
    if (last && random.chance(this.#silenceRate)) return last;
    return random.chance(this.#silenceRate / 2) ? random.pick(partitions) : undefined;
  }
}

/** The error of a call that went wrong for a reason that may pass; nobody can tell whether it took effect. */
export function passing(what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_LOG_IO", `Cannot ${what}: the simulation does not let it through`, {
    retry: true,
  });
}

/** The error of a disk. */
export function diskFault(what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_STORE_IO", `Cannot ${what}: the simulated disk fails`);
}
