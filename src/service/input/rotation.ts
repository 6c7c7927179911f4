/**
 * Finds files again that were renamed or copied as log files are: `<path>` becomes `<path>.1`, what was `<path>.1` becomes
 * `<path>.2`, and so on. Names are looked at in this order, so that a rotation meanwhile hides no file.
 */

import { findFile, type OpenFile, openIfThere } from "./file.ts";
import type { InputPosition } from "./position.ts";

/** How many rotations back to look for a renamed file, and for a copy. */
const MAX_RENAMES = 100;
const MAX_COPIES = 1;

/** An open file and where to go on in it. */
export interface Start {
  readonly file: OpenFile;
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Opens the file that was read before, under whichever name it has now, where it was left. If there is none, opens the file
 * that has the name now, at its start. Undefined when none has.
 *
 * A file is known by its first KiB and by the last KiB before the place. Of several that are alike in these, the one with
 * the same inode is taken, then the youngest of `<path>` and `<path>.1`.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function resume(path: string, known: InputPosition, signal: AbortSignal): Promise<Start | undefined> {
  for (const isSameInode of [true, false]) {
    for (let n = 0; n <= (isSameInode ? MAX_RENAMES : MAX_COPIES); n++) {
      const found = await findRotated(path, n);
      if (!found && n > 0) break;
      if (!found || (isSameInode && found.identity !== known.file)) continue;
      const file = await openAt(nameOf(path, n), known, signal).catch((error) => {
        if (n === 0) throw error;
      });
      if (file) return { file, bytes: known.bytes, lines: known.lines };
    }
  }
  const file = await openIfThere(path);
  return file && { file, bytes: 0, lines: 0 };
}

/**
 * Opens the file that came after one that has lost its name: the next younger of the numbered ones, or the one that has
 * the name now. Undefined when there is none.
 * @throws TIDEMARK_INPUT_UNREADABLE
 */
export async function openSuccessor(path: string, { identity }: OpenFile): Promise<OpenFile | undefined> {
  for (let n = 1; n <= MAX_RENAMES; n++) {
    const found = await findRotated(path, n);
    if (!found) break;
    if (found.identity !== identity) continue;
    const successor = await openIfThere(nameOf(path, n - 1));
    if ((await findRotated(path, n))?.identity === identity) return successor;
    await successor?.close(); // rotated once more just now
  }
  return await openIfThere(path);
}

function nameOf(path: string, rotations: number): string {
  return rotations === 0 ? path : `${path}.${rotations}`;
}

/** What has the name now; a numbered one only if it can be read. */
async function findRotated(path: string, rotations: number) {
  const found = findFile(nameOf(path, rotations));
  return await (rotations === 0 ? found : found.catch(() => undefined));
}

/** Opens a file if it is the one of a position, and goes there. */
async function openAt(name: string, known: InputPosition, signal: AbortSignal): Promise<OpenFile | undefined> {
  const file = await openIfThere(name);
  let isIt = false;
  try {
    isIt = file !== undefined && await file.fits(known) && await file.goTo(known.bytes, signal);
  } finally {
    if (!isIt) await file?.close();
  }
  return isIt ? file : undefined;
}
