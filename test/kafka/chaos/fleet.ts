/** The instances of a chaos run: processes that are killed, frozen, stopped and started again. */
import { Buffer } from "node:buffer";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Running, signal, start } from "../../../scripts/kafka/process.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** A planned stop that takes longer is a fault. */
const STOP_MS = 20_000;

/** How instances are run. */
export interface FleetOptions {
  readonly app: string;
  /** The runtimes, each a command with its first arguments; instances take them in turn. */
  readonly runtimes: readonly (readonly string[])[];
  readonly directory: string;
  /** What each is run with beside `--data`: the file and its arguments. */
  readonly args: (data: string) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** One place for an instance: its data stay when its process ends. */
export class Instance {
  readonly name: string;
  /** What the broker knows it by. */
  readonly clientId: string;
  /** Whether it should run. */
  isWanted = false;
  isFrozen = false;
  readonly #options: FleetOptions;
  readonly #command: readonly string[];
  readonly #data: string;
  #running: Running | undefined;
  #loggedBytes = 0;

  constructor(options: FleetOptions, index: number) {
    this.#options = options;
    this.name = `instance-${index}`;
    this.clientId = `${this.name} of ${options.app}`;
    this.#command = options.runtimes[index % options.runtimes.length]!;
    this.#data = join(options.directory, this.name);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get stores(): string {
    return join(this.#data, "stores");
  }

  async start(onEnd: (how: string) => void): Promise<void> {
    this.isWanted = true;
    this.#loggedBytes = Buffer.byteLength(await this.output());
    const settings = Object.entries({ ...this.#options.env, KAFKA_CLIENT_ID: this.clientId });
    const env = settings.map(([name, value]) => `${name}=${value}`);
    const command = [...env, ...this.#command, ...this.#options.args(this.#data)];
    const running = this.#running = await start("env", command, this.#log);
    void running.ended.then((how) => {
      if (this.#running !== running) return;
      this.#running = undefined;
      this.isFrozen = false;
      onEnd(how);
    });
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to end, and says how it did. */
  async stop(): Promise<string> {
    this.thaw();
    const limit = new AbortController();
    const tooLong = sleep(STOP_MS, undefined, { signal: limit.signal }).then(() => this.#end("SIGKILL"), () => {});
    const how = await this.#end("SIGTERM");
    limit.abort();
    await tooLong;
    return how;
  }

  freeze(): void {
    if (!this.#running) return;
    this.isFrozen = true;
    process.kill(this.#running.pid, "SIGSTOP");
  }

  thaw(): void {
    if (this.#running && this.isFrozen) process.kill(this.#running.pid, "SIGCONT");
    this.isFrozen = false;
  }

  /** Everything it has said in all its lives. */
  async output(): Promise<string> {
    return await readFile(this.#log, "utf8").catch(() => "");
  }

  /** Where it answers HTTP in this life. */
  async url(): Promise<string | undefined> {
    const text = Buffer.from(await this.output()).subarray(this.#loggedBytes).toString();
    return /^listening on (\S+)$/m.exec(text)?.[1];
  }

  /** Deletes its data. Only while it is down. */
  async forget(): Promise<void> {
    await rm(this.#data, { recursive: true, force: true });
  }

  get #log(): string {
    return join(this.#options.directory, `${this.name}.log`);
  }

  async #end(name: "SIGTERM" | "SIGKILL"): Promise<string> {
    this.isWanted = false;
    const running = this.#running;
    if (!running) return "it was down";
    signal(running.pid, name);
    const how = await running.ended;
    await Promise.resolve(); // lets its end be noted
    return how;
  }
}

/** A file of this repository. */
export function inRepository(...path: string[]): string {
  return join(ROOT, ...path);
}
