/**
 * Finds what documentation promises: examples in TypeScript, tasks and commands.
 *
 * A block marked `ts` is type-checked and run; `ts no-run` is only type-checked. When its first line is a comment with a
 * file name (`// machines.ts`), it is kept under that name, so that blocks after it can import it.
 */

/** A block of code in a document. */
export interface Block {
  readonly language: string;
  /** What stands behind the language: `no-run`. */
  readonly marks: readonly string[];
  /** The line of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
}

/** All fenced blocks of a document in Markdown. */
export function blocksIn(markdown: string): Block[] {
  return [...markdown.matchAll(/^```([^\n]*)\n([^]*?)^```$/gm)].map((match) => {
    const [language = "", ...marks] = match[1]!.trim().split(/\s+/);
    const line = markdown.slice(0, match.index).split("\n").length + 1;
    return { language, marks, line, code: match[2]! };
  });
}

/** The documentation comments of a source file as one document in Markdown, every line where it was. */
export function docsIn(text: string, comments: readonly string[]): string {
  let at = 0;
  return comments.filter((comment) => comment.startsWith("/**")).reduce((document, comment) => {
    const start = text.indexOf(comment, at);
    const gap = text.slice(at, start).replace(/[^\n]/g, "");
    at = start + comment.length;
    return document + gap + comment.replace(/^\/\*\*|\*\/$/g, "").replace(/^ *\* ?/gm, "");
  }, "");
}

const SHELL = new Set(["sh", "bash", "shell", "console"]);

/** The names of the tasks that shell blocks run. */
export function tasksIn(blocks: readonly Block[]): string[] {
  return wordsAfter(blocks, /\bdeno task ([\w:-]+)/g);
}

/** The commands of `tidemark` that shell blocks use. */
export function commandsIn(blocks: readonly Block[]): string[] {
  return wordsAfter(blocks, /(?:^|[|&;]\s*|\btask )tidemark ([a-z][\w-]*)/gm);
}

function wordsAfter(blocks: readonly Block[], pattern: RegExp): string[] {
  const shell = blocks.filter(({ language }) => SHELL.has(language));
  return [...new Set(shell.flatMap(({ code }) => [...code.matchAll(pattern)].map((match) => match[1]!)))];
}
