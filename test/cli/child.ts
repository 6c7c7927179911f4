import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const MAIN = join(ROOT, "src", "cli", "main.ts");

/** How to run a file on the runtime that runs the test. */
const RUNTIME = "deno" in process.versions
  ? [process.execPath, "run", "-A", "--quiet", "--no-check", `--config=${join(ROOT, "deno.json")}`]
  : [process.execPath, "--disable-warning=ExperimentalWarning"];

/** Node then starts twice as fast. */
const ENVIRONMENT = { NO_COLOR: "1", NODE_COMPILE_CACHE: join(ROOT, ".cache", "compile") };

/** No command of a test takes longer, in ms. */
const LIMIT_MS = 60_000;

/** A file of this repository. */
export function inRepository(...path: string[]): string {
  return join(ROOT, ...path);
}

/** An app file of these tests. */
export function appFile(name: string): string {
  return inRepository("test", "cli", "apps", `${name}.ts`);
}

export interface Options {
  /** Where it runs. Default: the repository. */
  readonly cwd?: string;
  /** What it reads from standard input. Default: nothing. */
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** What is run. Default: the binary. */
  readonly file?: string;
}

/** How a command ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that is running. */
export class Child {
  readonly process: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ending>;
  stdout = "";
  stderr = "";
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[], { cwd = ROOT, stdin, env, file = MAIN }: Options = {}) {
    const [runtime, ...before] = RUNTIME;
    this.process = spawn(runtime!, [...before, file, ...args], {
      cwd,
      env: { ...process.env, ...ENVIRONMENT, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
    });
    this.process.stdin!.on("error", () => {}); // it may end before it has read everything
    if (stdin !== undefined) this.process.stdin!.end(stdin);
    for (const name of ["stdout", "stderr"] as const) {
      this.process[name]!.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        this.#look();
      });
    }
    this.ended = once(this.process, "close").then(([code, signal]) => {
      const { stdout, stderr } = this;
      this.#look();
      return { code, signal, stdout, stderr };
    });
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Resolves with what a pattern finds in the output, as soon as it is there; rejects when the command ends before. */
  async said(pattern: RegExp, where: "stdout" | "stderr" = "stdout"): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[where]);
      if (found) return found;
      if (!this.isRunning) {
        throw new Error(`it ended without saying ${pattern}: ${this.stdout}${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** The address it listens on. */
  async url(): Promise<string> {
    return (await this.said(/^listening on (\S+)$/m))[1]!;
  }

  /** Ends it. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ending> {
    // Deno takes a child that `kill` was called on for killed, even if it ended by itself afterwards.
    if (this.isRunning) process.kill(this.process.pid!, signal);
    return await this.ended;
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Runs a command to its end. */
export async function tidemark(args: readonly string[], options: Options = {}): Promise<Ending> {
  return await new Child(args, { stdin: "", ...options }).ended;
}
