import type { SimulationOptions, SimulationReport } from "./options.ts";
import { Run } from "./run.ts";

/** A run in which something happened that must not. Its `cause` says what; simulating its seed again shows it again. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
  readonly seed: number;
  /** What happened last, the oldest first. */
  readonly lines: readonly string[];

  constructor(seed: number, lines: readonly string[], cause: unknown) {
    super(`Seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.seed = seed;
    this.lines = lines;
  }
}

/**
 * Runs a whole app in a simulated world: one to three processes that share its tasks over one log in memory, each with a disk
 * and a wall clock of its own, in virtual time. The seed decides the order of everything that waits: of calls to the log and
 * to disks, of their effects and their answers, of timers, of records that come in. It also decides what goes wrong: a process
 * dies before or after any call took effect; its disk keeps everything, or loses its newest writes, or all, or is damaged; it is
 * frozen, expelled from its group and wakes up with requests under way; it leaves and comes back; a call fails, before or after
 * it took effect; a request of a dead process arrives late; a wall clock jumps. Then all faults stop, processes
 * finish the work, and the results are read. No timer, no clock and no other source of chance is used: a seed gives the same
 * run again, whatever the machine.
 *
 * This must hold for every app and is checked in every run. At every commit: its owner was not fenced; the task's sequence is
 * one more than at the one before, whichever process made that; no offset, no channel's watermark and not the task's goes back; the
 * task's watermark is not infinite before the end; the group's
 * offsets are the checkpoint's; no record is passed on, called late or refused on reading by two commits. At every write to a
 * store: what it says is committed. At the end: every task came to the end of its inputs, each store equals its replayed
 * changelog, records delivered = folded + filtered + late + dead over all commits, and no run hangs. No task ends with an error
 * that nothing caused.
 *
 * @param seed any whole number from 0
 * @param keepsLines keep a line for everything that happened, not only for what happened last. Default false
 * @throws SimulationFailure
 */
export async function simulate(
  options: SimulationOptions,
  seed: number,
  keepsLines = false,
): Promise<SimulationReport> {
  const run = new Run(options, seed, keepsLines);
  try {
    await run.toEnd();
  } catch (error) {
    throw new SimulationFailure(seed, run.lines, error);
  }
  return run.report();
}
