import { type OpenFile, openFile, openIfThere } from "./file.ts";
import type { InputPosition } from "./position.ts";

/** An open file and where to go on in it. */
export interface Start {
  readonly file: OpenFile;
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Opens the file that was read before where it was left: under its own name, or as `<path>.1` if that is where it was
 * moved or copied to. If it is neither, opens the file that has the name now, at its start. Undefined when none has.
 *
 * A file is known by its first KiB and by the last KiB before the place. If two are alike in these, the one with the same
 * inode is taken, then the one under its own name.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function resume(path: string, known: InputPosition, signal: AbortSignal): Promise<Start | undefined> {
  const rotated = await openFile(`${path}.1`).catch(() => undefined);
  let current: OpenFile | undefined;
  let file: OpenFile | undefined;
  try {
    current = await openIfThere(path);
    const files = [current, rotated].filter((one) => one !== undefined);
    files.sort((a, b) => Number(b.identity === known.file) - Number(a.identity === known.file));
    for (const one of files) {
      if (!(await one.fits(known) && await one.goTo(known.bytes, signal))) continue;
      file = one;
      return { file, bytes: known.bytes, lines: known.lines };
    }
    file = current;
    await file?.goTo(0, signal);
    return file && { file, bytes: 0, lines: 0 };
  } catch (error) {
    file = undefined;
    throw error;
  } finally {
    if (file !== current) await current?.close();
    if (file !== rotated) await rotated?.close();
  }
}
