/**
 * Reads TypeScript well enough to check the rules of the house: without a parser, but never fooled by what stands in a
 * comment, a string, a template or a regular expression. Relies on the code being formatted.
 */

/** An import, or a re-export: both make one file need another. */
export interface Import {
  readonly specifier: string;
  /** Whether nothing is left of it at run time. */
  readonly isType: boolean;
  /** The names as the other file calls them; `*` stands for all of them. */
  readonly names: readonly string[];
}

/** A function: the line where its body opens, the lines from there to its end, and how many of these are in functions inside. */
export interface Func {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
  readonly inner: number;
}

/** One file. */
export interface Source {
  readonly text: string;
  /** The text without comments. */
  readonly uncommented: string;
  /** The text with comments, strings, templates and regular expressions blanked out: every offset stays as it was. */
  readonly code: string;
  readonly comments: readonly string[];
  readonly imports: readonly Import[];
  /** The names it exports, those it passes on included. */
  readonly exports: readonly string[];
}

/** Reads one file. */
export function readSource(text: string): Source {
  const spans = scan(text);
  const comments = spans.filter((span) => span.isComment);
  const code = blank(text, spans);
  return {
    text,
    uncommented: blank(text, comments),
    code,
    comments: comments.map(({ start, end }) => text.slice(start, end)),
    imports: importsOf(text, code),
    exports: exportsOf(code),
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly isComment: boolean;
}

const COMMENT = /\/\/[^\n]*|\/\*[^]*?\*\//y;
const STRING = /"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const TEMPLATE = /[`}](?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y;
/** What a regular expression can follow; after anything else `/` divides. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete))\s*$/;

/** Finds everything that is not code. The inside of `${}` is code. */
function scan(text: string): Span[] {
  const spans: Span[] = [];
  const depths: number[] = []; // open braces within each open `${`
  const match = (pattern: RegExp, at: number): number => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0].length ?? 0;
  };
  for (let at = 0; at < text.length;) {
    const char = text[at]!;
    const isTemplate = char === "`" || (char === "}" && depths.at(-1) === 0);
    const comment = char === "/" ? match(COMMENT, at) : 0;
    const length = comment ||
      (char === '"' || char === "'" ? match(STRING, at) : 0) ||
      (char === "/" && BEFORE_REGEX.test(codeBefore(text, spans, at)) ? match(REGEX, at) : 0) ||
      (isTemplate ? match(TEMPLATE, at) : 0);
    if (isTemplate && length > 0) {
      if (char === "}") depths.pop();
      if (text[at + length - 1] === "{") depths.push(0);
    } else if (char === "{" || char === "}") {
      const open = depths.pop();
      if (open !== undefined) depths.push(open + (char === "{" ? 1 : -1));
    }
    if (length > 0) spans.push({ start: at, end: at + length, isComment: comment > 0 });
    at += length || 1;
  }
  return spans;
}

/** The last code before an offset, comments left out. */
function codeBefore(text: string, spans: readonly Span[], at: number): string {
  let end = at;
  for (const span of spans.toReversed()) {
    if (!span.isComment || text.slice(span.end, end).trim() !== "") break;
    end = span.start;
  }
  return text.slice(Math.max(0, end - 40), end);
}

function blank(text: string, spans: readonly Span[]): string {
  let result = "";
  let at = 0;
  for (const { start, end } of spans) {
    result += text.slice(at, start) + text.slice(start, end).replace(/[^\n]/g, " ");
    at = end;
  }
  return result + text.slice(at);
}

/** The names in `{ a, type B, c as d }`, on its left side or its right side of `as`. */
function namesIn(list: string, side: "left" | "right"): string[] {
  const entries = list.split(",").map((entry) => entry.trim().replace(/^type /, "")).filter((entry) => entry !== "");
  return entries.map((entry) => entry.split(/\s+as\s+/).at(side === "left" ? 0 : -1)!);
}

function importsOf(text: string, code: string): Import[] {
  const imports: Import[] = [];
  const add = (match: RegExpExecArray, isType: boolean, names: readonly string[]): void => {
    const specifier = /^\s*\(?\s*["']([^"'\n]*)["']/.exec(text.slice(match.index + match[0].length))?.[1];
    if (specifier !== undefined) imports.push({ specifier, isType, names });
  };
  for (const match of code.matchAll(/\b(?:import|export)\s+(type\s+)?([^;()=]*?)\bfrom\b/g)) {
    const [, type, clause = ""] = match;
    const list = /\{([^}]*)\}/.exec(clause)?.[1];
    const names = clause.includes("*") ? ["*"] : namesIn(list ?? "", "left");
    const defaults = /^[\w$]+/.test(clause) ? ["default"] : [];
    add(match, type !== undefined, [...defaults, ...names]);
  }
  for (const match of code.matchAll(/\bimport\b/g)) add(match, false, ["*"]);
  return imports;
}

const DECLARATION =
  /\bexport\s+(?:declare\s+|abstract\s+|async\s+)*(?:function\s*\*?|const|let|var|class|interface|type)\s+([\w$]+)/g;

function exportsOf(code: string): string[] {
  const declared = [...code.matchAll(DECLARATION)].map((match) => match[1]!);
  const listed = [...code.matchAll(/\bexport\s+(?:type\s+)?\{([^}]*)\}/g)].flatMap((match) =>
    namesIn(match[1]!, "right")
  );
  const defaults = /\bexport\s+default\b/.test(code) ? ["default"] : [];
  return [...declared, ...listed, ...defaults];
}

/** All functions with a body in braces, methods and arrow functions included. */
export function functionsOf(code: string): Func[] {
  const functions: Func[] = [];
  const open: { readonly start: number; inner: number }[] = [];
  for (let at = 0; at < code.length; at += 1) {
    if (code[at] === "{") open.push({ start: at, inner: 0 });
    if (code[at] !== "}") continue;
    const { start, inner } = open.pop() ?? { start: at, inner: 0 };
    const name = functionName(code, start);
    const lines = code.slice(start, at).split("\n").length;
    if (name !== undefined) functions.push({ name, line: code.slice(0, start).split("\n").length, lines, inner });
    const around = open.at(-1);
    if (around) around.inner += name === undefined ? inner : lines;
  }
  return functions;
}

const NOT_FUNCTIONS = new Set(["if", "for", "await", "while", "switch", "catch", "with"]);

/** The name of the function whose body opens at an offset; undefined when something else opens there. */
function functionName(code: string, brace: number): string | undefined {
  if (/=>\s*\(?$/.test(code.slice(0, brace).trimEnd())) return "an arrow function";
  const header = headerOf(code, brace);
  if (/[:=<|&?]$/.test(header)) return undefined; // a type or a value
  if (/^(?:export\s+)?(?:default\s+)?(?:abstract\s+)?(?:class|interface|type|case)\b/.test(header)) return undefined;
  const name = /([#\w$]+)\s*(?:<[^()]*>)?\(/.exec(header)?.[1];
  return name !== undefined && !NOT_FUNCTIONS.has(name) ? name : undefined;
}

/** What stands before a brace, back to the end of the statement or member before it. */
function headerOf(code: string, brace: number): string {
  let depth = 0;
  let at = brace - 1;
  for (; at >= 0; at -= 1) {
    const char = code[at]!;
    if (depth === 0 && (char === ";" || (char === "}" && code[at + 1] === "\n"))) break;
    if (")]}".includes(char)) depth += 1;
    if ("([{".includes(char)) depth -= 1;
    if (depth < 0) break;
  }
  return code.slice(at + 1, brace).trim();
}
