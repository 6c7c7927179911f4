import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { denoCommand } from "./deno.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A mistake that a user makes, and what the compiler must say of it. */
interface Mistake {
  readonly title: string;
  readonly code: string;
  readonly says: readonly (string | RegExp)[];
}

const counts = 'actor("counts", counter)';
const sums = 'actor("sums", totals)';
const MISTAKES: readonly Mistake[] = [
  {
    title: "an event the machine does not know",
    code: `${counts}.on(views, ({ user }) => ({ type: "views", user }));`,
    says: [`Type '"views"' is not assignable to type '"view" | "reset"'. Did you mean '"view"'?`],
  },
  {
    title: "an event that a machine with a single one does not know",
    code: `${sums}.on(views, ({ user }) => ({ type: "views", user }));`,
    says: [`Type '"views"' is not assignable to type '"view"'.`],
  },
  {
    title: "a payload of another type",
    code: `${sums}.on(views, ({ at }) => ({ type: "view", user: at }));`,
    says: ["Type 'number' is not assignable to type 'string'."],
  },
  {
    title: "a payload that is incomplete",
    code: `${sums}.on(views, () => ({ type: "view" }));`,
    says: [`Property 'user' is missing in type '{ type: "view"; }'`],
  },
  {
    title: "an emitted event without a route",
    code: `app("shop", [${counts}.on(views, ({ user }) => ({ type: "view", user }))]);`,
    says: [
      `Types of property '"emitted but not routed: add .to(name, topic, map)"' are incompatible.`,
      /Type '"(?:counted" \| "cleared|cleared" \| "counted)"' is not assignable to type 'never'\./,
    ],
  },
  {
    title: "one of two emitted events without a route",
    code: `app("shop", [${counts}.to("counted", viewCounts, ({ count }, { key }) => ({ url: key, count }))]);`,
    says: [`emitted but not routed: add .to(name, topic, map)`, `Type '"cleared"' is not assignable to type 'never'.`],
  },
  {
    title: "a route for an event that is not emitted",
    code: `${counts}.to("count", viewCounts, () => ({ url: "", count: 1 }));`,
    says: [`Argument of type '"count"' is not assignable to parameter of type '"counted" | "cleared"'.`],
  },
  {
    title: "a topic of another type",
    code: `${counts}.to("counted", viewCounts, ({ count }, { key }) => ({ url: key, count: \`\${count}\` }));`,
    says: ["Type 'string' is not assignable to type 'number'."],
  },
  {
    title: "a window on a machine that does not know of windows",
    code: `${sums}.window(minutes);`,
    says: ["the machine has no `window.close` event: add WindowClose to types.events"],
  },
  {
    title: "a source without a key",
    code: `${sums}.on(pageViews, () => ({ type: "view", user: "" }));`,
    says: [`Property '"keyed by .by(key) or .byKey()"' is missing in type 'Topic<`],
  },
  {
    title: "a source that feeds `window.close`",
    code: `${counts}.on(views, () => ({ type: "window.close", window: { start: 0, end: 1 }, at: 1 }));`,
    says: [`Type '"window.close"' is not assignable to type '"view" | "reset"'.`],
  },
  {
    title: "a sink of another type than its source",
    code: 'sink("out", viewCounts, { write: (batch: readonly SinkRecord<{ user: string }>[]) => void batch });',
    says: [/Property 'user' is missing in type '{ url: string; count: number; }'|'user' is missing/],
  },
  {
    title: "a machine that declares no event types",
    code: 'actor("undeclared", undeclared);',
    says: ["the machine declares no event types: add types.events in setup()"],
  },
];

const IMPORTS = `import { actor, app, sink, type SinkRecord } from "tidemark";
import { counter, minutes, pageViews, totals, undeclared, viewCounts, views } from "../../test/compiler/definitions.ts";
export { actor, app, sink, type SinkRecord, counter, minutes, pageViews, totals, undeclared, viewCounts, views };
`;

/** What the compiler says, by the title of the mistake. */
const said = new Map<string, string>();

before(() => {
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "compiler-")); // in the repository, where `tidemark` resolves
  try {
    const files = MISTAKES.map(({ code }, index) => {
      const file = join(folder, `mistake-${index}.ts`);
      writeFileSync(file, `${IMPORTS}${code}\n`);
      return file;
    });
    const output = failureOf([...denoCommand(), "check", ...files]);
    for (const error of output.split(/\n(?=TS\d+ \[ERROR\])/)) {
      const title = MISTAKES[Number(/\/mistake-(\d+)\.ts:/.exec(error)?.[1] ?? NaN)]?.title;
      if (title !== undefined) said.set(title, `${said.get(title) ?? ""}${error}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What a command that fails has printed. */
function failureOf([file = "", ...args]: readonly string[]): string {
  const env = { ...process.env, NO_COLOR: "1" };
  try {
    execFileSync(file, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 120_000, env });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
  throw new Error("The compiler found no mistake at all");
}

for (const { title, says } of MISTAKES) {
  test(`the compiler says what is wrong: ${title}`, () => {
    const message = said.get(title) ?? "";
    for (const part of says) {
      const isSaid = typeof part === "string" ? message.includes(part) : part.test(message);
      assert.ok(isSaid, `"${part}" is not in what the compiler says:\n${message}`);
    }
  });
}
