import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program of the tests in a process of its own, with the lines it prints. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  /** @param prefix a shell command to run before the program, such as "ulimit -f 100" */
  constructor(program: URL, args: readonly string[], prefix = ":") {
    const runtime = "Deno" in globalThis ? [execPath, "run", "-A", "--no-check"] : [execPath];
    const command = [...runtime, fileURLToPath(program), ...args];
    const process = spawn("sh", ["-c", `${prefix}; exec "$@"`, "sh", ...command], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    this.#ended = once(process, "exit");
  }

  /** The next line, or undefined at the end. */
  async line(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done ? undefined : next.value;
  }

  /** Waits until the program has ended of itself. */
  async end(): Promise<void> {
    await this.#ended;
  }

  /** Ends the program where it stands, as `kill -9` does. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}
