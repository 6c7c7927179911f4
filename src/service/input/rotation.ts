/**
 * Finds files again that were renamed or copied as log files are: `<path>` becomes `<path>.1`, what was `<path>.1` becomes
 * `<path>.2`, and so on. Names are looked at in this order and to the last, so that no file is missed while they change.
 */

import { findFile, type OpenFile, openIfThere } from "./file.ts";
import type { InputPosition } from "./position.ts";

/** How many rotations back to look for a renamed file, and for a copy. */
const MAX_RENAMES = 100;
const MAX_COPIES = 1;

/** An open file and where to go on in it. */
interface Start {
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
  const isIt = async (file: OpenFile) => await file.fits(known) && await file.goTo(known.bytes, signal);
  for (let n = 0; n <= MAX_RENAMES; n++) {
    if ((await findRotated(path, n))?.identity !== known.file) continue;
    const file = await openIf(path, n, async (one) => one.identity === known.file && await isIt(one));
    if (file) return { file, bytes: known.bytes, lines: known.lines };
  }
  for (let n = 0; n <= MAX_COPIES && known.bytes > 0; n++) {
    const file = await openIf(path, n, isIt);
    if (file) return { file, bytes: known.bytes, lines: known.lines };
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
    if ((await findRotated(path, n))?.identity !== identity) continue;
    let successor: OpenFile | undefined;
    let younger = n;
    while (!successor && --younger >= 0) successor = await openIfThere(nameOf(path, younger));
    if (await isNext(path, younger, n, identity)) return successor;
    await successor?.close();
    n = 0; // rotated once more just now
  }
  return await openIfThere(path);
}

/** Whether an old file still has its name, and none has one between it and a younger one. Files only move upwards. */
async function isNext(path: string, younger: number, old: number, identity: string): Promise<boolean> {
  for (let n = younger + 1; n < old; n++) if (await findRotated(path, n)) return false;
  return (await findRotated(path, old))?.identity === identity;
}

function nameOf(path: string, rotations: number): string {
  return rotations === 0 ? path : `${path}.${rotations}`;
}

/** What has the name now; a numbered one only if it can be read. */
async function findRotated(path: string, rotations: number) {
  const found = findFile(nameOf(path, rotations));
  return await (rotations === 0 ? found : found.catch(() => undefined));
}

/** Opens what has the name now, if it is what is looked for; a numbered one only if it can be read. */
async function openIf(
  path: string,
  rotations: number,
  isIt: (file: OpenFile) => Promise<boolean>,
): Promise<OpenFile | undefined> {
  let file: OpenFile | undefined;
  let isFound = false;
  try {
    file = await openIfThere(nameOf(path, rotations));
    isFound = file !== undefined && await isIt(file);
  } catch (error) {
    if (rotations === 0) throw error;
  } finally {
    if (!isFound) await file?.close();
  }
  return isFound ? file : undefined;
}
