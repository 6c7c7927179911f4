/** A child process that ends when this one does, whatever way this one ends. */

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import process from "node:process";

const STOP_MS = 20_000;

const running = new Set<number>();

/** A process that has been started. */
export interface Running {
  readonly pid: number;
  /** Resolves with a description of its end. */
  readonly ended: Promise<string>;
}

/** Starts a command whose output is appended to a file. */
export async function start(command: string, args: readonly string[], output: string): Promise<Running> {
  const file = openSync(output, "a");
  const child = spawn(command, args, { stdio: ["ignore", file, file] });
  closeSync(file);
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const pid = child.pid!;
  endWithThisProcess(pid, ended);
  return { pid, ended };
}

/** Sends a signal; no harm when the process is gone. */
export function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended
  }
}

/** Asks a process to end, kills it when that takes more than 20 s, and resolves when it has ended. */
export async function end({ pid, ended }: Running): Promise<void> {
  signal(pid, "SIGTERM");
  const limit = setTimeout(() => signal(pid, "SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(limit);
}

/** A process that exits kills what it started; for one that is killed itself a shell does, when it loses its input. */
function endWithThisProcess(pid: number, ended: Promise<unknown>): void {
  if (running.size === 0) process.once("exit", killAll);
  running.add(pid);
  const guard = spawn("sh", ["-c", 'read -r line; kill -KILL "$0"', `${pid}`], { stdio: ["pipe", "ignore", "ignore"] });
  guard.on("error", () => {}); // a system without a shell goes without
  ended.then(() => {
    running.delete(pid);
    if (running.size === 0) process.off("exit", killAll);
    if (guard.pid !== undefined) signal(guard.pid, "SIGKILL");
  });
}

function killAll(): void {
  for (const pid of running) signal(pid, "SIGKILL");
}
