import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { denoCommand } from "./deno.ts";
import { readHouse } from "./house/rules.ts";
import { type Block, blocksIn, commandsIn, docsIn, tasksIn } from "./readme/examples.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What a command prints. Its failure is an error that says what it printed. */
function output(command: readonly string[], cwd = ROOT): string {
  const [file = "", ...args] = command;
  try {
    return execFileSync(file, args, {
      timeout: 120_000,
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${args.join(" ")} failed\n${stdout}${stderr}`);
  }
}

/** How to run a file on the runtime that runs this test. */
const RUN = "deno" in process.versions ? [process.execPath, "run", "-A", "--no-check"] : [process.execPath];

/** A document and its blocks. */
type Document = readonly [path: string, blocks: readonly Block[]];

/** Type-checks the TypeScript of some documents, then runs what is meant to run; throws at the first fault. */
function tryOut(documents: readonly Document[]): void {
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache", "examples-")); // in the repository, where `tidemark` resolves
  try {
    const files = documents.flatMap(([path, blocks]) =>
      blocks.filter(({ language }) => language === "ts").map(({ code, line, marks }) => {
        const file = join(path, /^\/\/ ([\w-]+\.ts)\n/.exec(code)?.[1] ?? `line-${line}.ts`);
        mkdirSync(join(folder, path), { recursive: true });
        writeFileSync(join(folder, file), code);
        return { file, isRun: !marks.includes("no-run") };
      })
    );
    if (files.length > 0) output([...denoCommand(), "check", ...files.map(({ file }) => file)], folder);
    for (const { file, isRun } of files) if (isRun) output([...RUN, file], folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const readme = (): Block[] => blocksIn(readFileSync(join(ROOT, "README.md"), "utf8"));

test("the examples of the README type-check and run", () => {
  const blocks = readme();
  assert.ok(blocks.some(({ language }) => language === "ts"), "the README has no example");
  tryOut([["README.md", blocks]]);
});

test("the examples in documentation comments type-check and run", () => {
  const sources = [...readHouse(ROOT).files].filter(([path]) => path.startsWith("src/"));
  tryOut(sources.map(([path, { text, comments }]) => [path, blocksIn(docsIn(text, comments))]));
});

test("the tasks that the README names exist", () => {
  const { tasks } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as { tasks: Record<string, string> };
  const named = tasksIn(readme());
  assert.ok(named.includes("start") && named.includes("test"), "the README says neither how to start nor how to test");
  assert.deepEqual(named.filter((task) => !(task in tasks)), []);
});

test("the commands that the README promises are in the help", () => {
  const help = output([...RUN, "src/cli/main.ts", "--help"]);
  const commands = commandsIn(readme());
  assert.ok(commands.length > 0, "the README shows no command");
  assert.deepEqual(commands.filter((command) => !new RegExp(`^\\s*(?:tidemark )?${command}\\b`, "m").test(help)), []);
});

const FIXTURE = [
  "# Title",
  "```ts",
  "// sum.ts",
  "export const sum = (a: number, b: number): number => a + b;",
  "```",
  "Text with `tidemark nothing` inside.",
  "```ts no-run",
  'import { sum } from "./sum.ts";',
  "throw new Error(`${sum(1, 2)}`);",
  "```",
  "```sh",
  "npx deno task start",
  "cat views | npx deno task tidemark send pageviews | tidemark tail out",
  "tidemark query url-totals /pricing",
  "```",
  "```json",
  '{ "not": "tidemark code" }',
  "```",
].join("\n");

test("blocks, tasks and commands are found in a document", () => {
  const blocks = blocksIn(FIXTURE);
  assert.deepEqual(blocks.map(({ language, line, marks }) => [language, line, ...marks]), [
    ["ts", 3],
    ["ts", 8, "no-run"],
    ["sh", 12],
    ["json", 17],
  ]);
  assert.deepEqual(tasksIn(blocks), ["start", "tidemark"]);
  assert.deepEqual(commandsIn(blocks), ["send", "tail", "query"]);
});

test("an example that holds is no fault, one that does not is named with its line", () => {
  const sound = blocksIn(FIXTURE);
  const illTyped = blocksIn(FIXTURE.replace("sum(1, 2)", 'sum(1, "2")'));
  const throwing = blocksIn(FIXTURE.replace(" no-run", ""));
  tryOut([["a.md", sound]]);
  assert.throws(() => tryOut([["a.md", sound], ["b.md", illTyped]]), /check [^]* failed[^]*b\.md\/line-8\.ts/);
  assert.throws(() => tryOut([["a.md", sound], ["b.md", throwing]]), /b\.md\/line-8\.ts failed[^]*Error: 3/);
});

test("examples are found in documentation comments, where they stand", () => {
  const comments = [
    "/** Adds. */",
    "/**\n   * Adds.\n   * ```ts\n   * if (true) {\n   *   add();\n   * }\n   * ```\n   */",
  ];
  const text = `${comments[0]}\nconst a = 1;\n\n  ${comments[1]}\n`;
  const [block] = blocksIn(docsIn(text, comments));
  assert.deepEqual(block, { language: "ts", marks: [], line: 7, code: "if (true) {\n  add();\n}\n" });
});
