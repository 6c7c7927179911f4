import { type ActorDefinition, topicsRead } from "../../core/actor.ts";
import type { App } from "../../core/app.ts";
import { TidemarkError } from "../../core/errors.ts";
import { partitionFor } from "../../core/hash.ts";
import { keyFault } from "../../core/key.ts";
import { type Group, internal, topology } from "../../core/topology.ts";
import { letterJson } from "../../http/letter-json.ts";
import { recordLine } from "../../http/record-line.ts";
import { embeddedLog } from "../../log/embedded/log.ts";
import type { Log } from "../../log/log.ts";
import type { OnNotice } from "../../runtime/notice.ts";
import { type LetterCursor, type LetterFilter, listLetters } from "../../runtime/dead-letters.ts";
import { settingsOf } from "../../runtime/options.ts";
import { ActorReader, type ActorState } from "../../runtime/query.ts";
import { type ReadOptions, readTopic } from "../../runtime/read.ts";
import { Task } from "../../runtime/task.ts";
import { levelStores } from "../../store/level/store.ts";
import { loadModule } from "../module.ts";
import { notedModule, placesIn } from "./data-folder.ts";
import type { Source } from "./source.ts";

/** Dead letters held in memory at a time. */
const PAGE_LETTERS = 100;

/** How a data folder is read. */
interface FolderOptions {
  /** The app file that tells what the state means. Default: the one the folder was last run with. */
  readonly appFile?: string | undefined;
  /** Told when a store had to be rebuilt. */
  readonly onNotice: OnNotice;
}

/**
 * Opens a data folder that no process uses. Its tasks are restored when they are needed, so that what is read is what their
 * changelogs say.
 * @throws TIDEMARK_LOG_LOCKED, TIDEMARK_LOG_CORRUPT, TIDEMARK_LOG_IO
 */
export async function openFolder(folder: string, options: FolderOptions): Promise<Source> {
  return new FolderSource(folder, options, await embeddedLog(placesIn(folder).log));
}

/** An actor, and where its state lives. */
interface Home {
  readonly app: App;
  readonly actor: ActorDefinition;
  readonly group: Group;
  /** The partitions of every topic in the log. */
  readonly sizes: ReadonlyMap<string, number>;
}

class FolderSource implements Source {
  readonly #folder: string;
  readonly #options: FolderOptions;
  readonly #log: Log;

  constructor(folder: string, options: FolderOptions, log: Log) {
    this.#folder = folder;
    this.#options = options;
    this.#log = log;
  }

  async statesOf(name: string, key: string): Promise<readonly string[]> {
    const fault = keyFault(key);
    if (fault !== undefined) throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot look up a key: ${fault}`);
    const home = await this.#homeOf(name);
    const states: ActorState[] = [];
    for await (const reader of this.#readers(home, [partitionFor(key, home.group.partitions)])) {
      if (home.actor.window) states.push(...await reader.windows(key));
      else states.push(...[(await reader.get(key)).state].filter((state) => state !== undefined));
    }
    return states.map((state) => JSON.stringify(state));
  }

  async *states(name: string): AsyncGenerator<string> {
    const home = await this.#homeOf(name);
    for await (const reader of this.#readers(home, [...Array(home.group.partitions).keys()])) {
      for await (const state of reader.scan()) yield JSON.stringify(state);
    }
  }

  async *records(topic: string, options: ReadOptions): AsyncGenerator<string> {
    for await (const record of readTopic(this.#log, topic, options)) yield recordLine(record);
  }

  async *deadLetters(filter: LetterFilter): AsyncGenerator<string> {
    const { app } = await loadModule(this.#options.appFile ?? await notedModule(this.#folder));
    for (let cursor: LetterCursor | undefined, isFirst = true; isFirst || cursor; isFirst = false) {
      const page = await listLetters(this.#log, internal.deadLetters(app.name), filter, PAGE_LETTERS, cursor);
      for (const letter of page.letters) yield JSON.stringify(letterJson(letter));
      cursor = page.cursor;
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  async #homeOf(name: string): Promise<Home> {
    const { app } = await loadModule(this.#options.appFile ?? await notedModule(this.#folder));
    const { actors } = app["~app"];
    const sizes = await this.#log.topics();
    const missing = actors.flatMap(topicsRead).find((topic) => !sizes.has(topic.name));
    if (missing) {
      throw new TidemarkError(
        "TIDEMARK_LOG_TOPIC_UNKNOWN",
        `Cannot read "${this.#folder}" as app "${app.name}": it has no topic "${missing.name}"`,
      );
    }
    const group = topology(app["~app"], sizes).home.get(name);
    const actor = actors.find((one) => one.name === name);
    if (group && actor) return { app, actor, group, sizes };
    const names = actors.map((one) => one.name).join(", ");
    throw new TidemarkError(
      "TIDEMARK_ACTOR_UNKNOWN",
      `Cannot find actor ${JSON.stringify(name)}: the app has ${names}`,
    );
  }

  /** Readers of the stores of some tasks, one after the other; each is closed before the next. */
  async *#readers({ app, actor, group, sizes }: Home, partitions: readonly number[]): AsyncGenerator<ActorReader> {
    const { onNotice } = this.#options;
    const settings = settingsOf({ app, log: this.#log, stores: levelStores(placesIn(this.#folder).stores), onNotice });
    for (const partition of partitions) {
      const task = new Task(group, partition, (topic) => sizes.get(topic)!, settings);
      try {
        await task.restore();
        yield new ActorReader(task.store, actor);
      } finally {
        await task.close();
      }
    }
  }
}
