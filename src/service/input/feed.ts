import { resolve } from "node:path";
import process from "node:process";
import type { Producer } from "../../log/log.ts";
import { Feeder } from "./feeder.ts";
import { FileFeed } from "./file-feed.ts";
import { type FeedResult, type InputOptions, type Settings, settingsOf } from "./options.ts";
import { inputProducer, lastPosition } from "./position.ts";
import { StreamInput } from "./stream.ts";

/**
 * Feeds the lines of a file into a log: each line once, over crashes and restarts. The place up to which the file was read
 * is written in the transaction of its lines' records, and reading goes on there.
 *
 * Lines end with \n or \r\n. Empty ones are skipped. A line over 1 MiB becomes a dead letter of its first 64 KiB, one that
 * `convert` throws at a dead letter of its bytes. The last line of a file counts without a line end, too; of a followed
 * file only once the file was rotated. gzip is told by its first bytes.
 *
 * A file that was renamed, while it was followed or nothing was running, is read to its end, then the ones that came after
 * it, as far as they are called `<path>.1`, `<path>.2` and so on; a followed one is left once a poll has brought nothing.
 * A file that was truncated or replaced is read from its start; what was not read of the old one is read before if it was
 * copied to `<path>.1`, and is not read otherwise. A replacement looks like the old file with lines appended if its first
 * KiB, and the KiB before the place that was read up to, are the same.
 *
 * @returns at the end of the file, or after `signal` was aborted
 * @throws TIDEMARK_INPUT_UNREADABLE, TIDEMARK_OPTION_INVALID, TIDEMARK_LOG_FENCED and whatever else the log throws: then
 * whether the last lines are in the log is not known, and only a new start finds it out
 */
export async function feed(options: InputOptions): Promise<FeedResult> {
  const settings = settingsOf(options);
  const path = settings.path === "-" ? "-" : resolve(settings.path);
  const producer = await settings.log.producer(inputProducer(settings.app, path));
  const feeder = new Feeder(settings, path, producer);
  try {
    if (path === "-") await feedStream(settings, feeder);
    else await feedFile(settings, path, feeder, producer);
  } catch (error) {
    await producer.close().catch(() => {});
    throw error;
  }
  await producer.close();
  return feeder.result;
}

async function feedFile(settings: Settings, path: string, feeder: Feeder, producer: Producer): Promise<void> {
  const known = await lastPosition(settings, path, producer);
  if (!settings.signal.aborted) await new FileFeed(settings, path, feeder).run(known);
}

async function feedStream(settings: Settings, feeder: Feeder): Promise<void> {
  const input = new StreamInput(process.stdin, settings.signal);
  try {
    await feeder.begin(input, 0, 0);
    while (await input.wait()) await feeder.drain();
    if (!settings.signal.aborted) await feeder.finish();
  } finally {
    input.close();
  }
}
