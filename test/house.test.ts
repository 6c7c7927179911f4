import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readHouse, RULES } from "./house/rules.ts";
import { functionsOf, readSource } from "./house/source.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

for (const [title, rule] of Object.entries(RULES)) {
  test(`the house: ${title}`, () => {
    const house = readHouse(ROOT);
    assert.ok(house.files.size > 0, "no file was read");
    assert.equal(rule(house).join("\n"), "");
  });
}

type Tree = Readonly<Record<string, string>>;

/** A small house in which all is well. */
const SOUND: Tree = {
  "package.json": JSON.stringify({ exports: { ".": "./src/mod.ts", "./level": "./src/level/mod.ts" } }),
  "src/mod.ts": 'export { add } from "./core/add.ts";\nexport { run } from "./runtime/run.ts";\n',
  "src/core/add.ts": 'import type { Sum } from "./sum.ts";\nexport const add = (sum: Sum): Sum => sum; // Date.now()\n',
  "src/core/sum.ts": "export interface Sum {\n  readonly total: number;\n}\n",
  "src/core/machine.ts": 'import { setup } from "xstate";\nexport const machine = setup({});\n',
  "src/runtime/run.ts":
    'import { machine } from "../core/machine.ts";\nimport type { Log } from "../log/log.ts";\nexport async function run(log: Log) {\n  await log(machine);\n}\n',
  "src/log/log.ts": "export type Log = (value: unknown) => Promise<void>;\n",
  "src/log/conformance.ts":
    'import { test } from "node:test";\nexport function conforms() {\n  test("yes", () => {});\n}\n',
  "src/log/embedded/files.ts":
    'import "node:fs";\nimport { open } from "../../level/open.ts";\nexport const files = open();\n',
  "src/level/open.ts": "export const open = () => 1;\n",
  "src/level/mod.ts": 'export { files } from "../log/embedded/files.ts";\n',
  "src/cli/main.ts": 'import { add } from "../core/add.ts";\nadd({ total: 1 });\n',
  "test/core/add.test.ts": 'import "../../src/core/add.ts";\n',
  "test/log/embedded.test.ts": 'import { conforms } from "../../src/log/conformance.ts";\nconforms();\n',
};

function faultsOf(title: string, tree: Tree): string[] {
  const root = mkdtempSync(join(tmpdir(), "tidemark-house-"));
  try {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return RULES[title]!(readHouse(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("no rule finds a fault in a sound house", () => {
  for (const title of Object.keys(RULES)) assert.deepEqual(faultsOf(title, SOUND), [], title);
});

const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

/** By rule: what is planted into the sound house, and the faults that must be named. */
const PLANTED: Readonly<Record<string, readonly (readonly [plant: Tree, faults: readonly string[]])[]>> = {
  "imports point down": [
    [
      { "src/core/sum.ts": 'import type { Log } from "../log/log.ts";\nexport type Sum = Log;\n' },
      ["src/core/sum.ts: imports src/log/log.ts, which is not below it"],
    ],
    [
      { "src/log/log.ts": 'export type { Store as Log } from "../store/store.ts";\n', "src/store/store.ts": "" },
      ["src/log/log.ts: imports src/store/store.ts, which is not below it"],
    ],
    [
      { "src/level/open.ts": 'export const open = () => import("./mod.ts");\n' },
      ["src/level/open.ts: imports src/level/mod.ts, which is not below it"],
    ],
    [{ "src/attic/box.ts": "" }, ["src/attic/box.ts: belongs to no room of the house"]],
  ],
  "adapters stand apart": [
    [
      { "src/log/memory/log.ts": 'import "../embedded/files.ts";\n' },
      ["src/log/memory/log.ts: imports src/log/embedded/files.ts; adapters are not known to the rest of their room"],
    ],
    [
      { "src/log/log.ts": 'import "./embedded/files.ts";\n' },
      ["src/log/log.ts: imports src/log/embedded/files.ts; adapters are not known to the rest of their room"],
    ],
    [
      { "src/runtime/run.ts": 'import "../log/embedded/files.ts";\nimport "../level/open.ts";\n' },
      [
        "src/runtime/run.ts: imports src/log/embedded/files.ts; the runtime knows only src/log/log.ts",
        "src/runtime/run.ts: imports src/level/open.ts; only adapters know level",
      ],
    ],
    [
      {
        "src/log/embedded/files.ts": 'import "../conformance/cases.ts";\n',
        "src/log/conformance.ts": 'import "./conformance/cases.ts";\n',
        "src/log/conformance/cases.ts": 'import "../embedded/files.ts";\n',
      },
      [
        "src/log/conformance/cases.ts: imports src/log/embedded/files.ts; adapters are not known to the rest of their room",
        "src/log/embedded/files.ts: imports src/log/conformance/cases.ts; suites are for tests",
      ],
    ],
  ],
  "nothing inside comes in through the front door": [
    [{ "src/cli/main.ts": 'import { add } from "../mod.ts";\n' }, [
      'src/cli/main.ts: imports "../mod.ts"; inside of src import the file itself',
    ]],
    [{ "src/cli/main.ts": 'import { files } from "tidemark/level";\n' }, [
      'src/cli/main.ts: imports "tidemark/level"; inside of src import the file itself',
    ]],
  ],
  "no file needs itself": [
    [{ "src/core/sum.ts": 'import type { add } from "./add.ts";\nexport type Sum = typeof add;\n' }, [
      "src/core/add.ts: circle src/core/add.ts -> src/core/sum.ts -> src/core/add.ts",
    ]],
  ],
  "`node:` is imported only where it is allowed": [
    [{ "src/runtime/run.ts": 'import type { Stats } from "node:fs";\n' }, ["src/runtime/run.ts: imports node:fs"]],
    [{ "src/log/conformance.ts": 'import "node:fs";\n' }, ["src/log/conformance.ts: imports node:fs"]],
    [{ "src/log/log.ts": 'import "node:test";\n' }, ["src/log/log.ts: imports node:test"]],
  ],
  "core is pure": [
    [{ "src/core/sum.ts": "export const now = () => Date.now() + Math.random();\n" }, [
      "src/core/sum.ts: core must be pure, found `Date.now`",
      "src/core/sum.ts: core must be pure, found `Math.random`",
    ]],
    [
      { "src/core/sum.ts": "export const wait = async () => {\n  await new Promise((go) => setTimeout(go, 1));\n};\n" },
      [
        "src/core/sum.ts: core must be pure, found `async`",
        "src/core/sum.ts: core must be pure, found `await`",
        "src/core/sum.ts: core must be pure, found `new Promise`",
        "src/core/sum.ts: core must be pure, found `setTimeout`",
      ],
    ],
    [{ "src/core/sum.ts": "export const text = `${console.log(1)}`;\n" }, [
      "src/core/sum.ts: core must be pure, found `console.`",
    ]],
    [{ "src/core/sum.ts": 'import { createActor } from "xstate";\nimport type { AnyActor } from "xstate";\n' }, [
      "src/core/sum.ts: imports xstate; only src/core/machine.ts may",
    ]],
  ],
  "no `export *`": [
    [{ "src/mod.ts": 'export * from "./core/add.ts";\n' }, ["src/mod.ts: `export *`; name what you export"]],
  ],
  "no `using`": [
    [{ "test/sum.test.ts": "{\n  await using log = open();\n}\n" }, [
      "test/sum.test.ts: `using`; Node 22 does not know it, write try and finally",
    ]],
    [{ "test/sum.test.ts": "// await using log = open()\nconst using = 1;\n" }, []],
  ],
  "files are small": [
    [
      { "src/core/sum.ts": lines(200, "// a comment") + lines(301, "void 0;") },
      ["src/core/sum.ts: 301 lines of code, at most 300"],
    ],
    [{ "src/core/sum.ts": lines(200, "// a comment") + lines(300, "void 0;\n") }, []],
  ],
  "functions are small": [
    [
      { "src/core/sum.ts": `export function sum(of: { a: 1 }): { a: 1 } {\n${lines(69, "  void 0;")}}\n` },
      ["src/core/sum.ts:1: sum has 71 lines, at most 70"],
    ],
    [
      {
        "src/core/sum.ts": `class Sum {\n  /** Adds. */\n  async #add<A, B>(a: A) {\n${
          lines(70, "    void 0;")
        }  }\n}\n`,
      },
      ["src/core/sum.ts:3: #add has 72 lines, at most 70"],
    ],
    [
      { "src/core/sum.ts": `export const sum = (a: number) => ({\n${lines(70, "  a,")}});\n` },
      ["src/core/sum.ts:1: an arrow function has 72 lines, at most 70"],
    ],
    [
      {
        "src/log/conformance.ts": `function cases() {\n  test(() => {\n${lines(71, "    void 0;")}  });\n}\n`,
      },
      ["src/log/conformance.ts:2: an arrow function has 73 lines, at most 70"],
    ],
    [{ "src/core/sum.ts": `export const sum = {\n${lines(90, "  // }")}  a() {\n${lines(68, "")}  },\n};\n` }, []],
  ],
  "names say what is inside": [
    [{ "src/core/utils.ts": "", "src/helpers/add.ts": "" }, [
      'src/core/utils.ts: "utils.ts" says nothing',
      'src/helpers/add.ts: "helpers" says nothing',
    ]],
    [{ "src/core/addUp.ts": "" }, ["src/core/addUp.ts: file names are kebab-case"]],
  ],
  "no dead files": [
    [{ "src/core/lost.ts": "" }, ["src/core/lost.ts: nothing reaches it"]],
    [{ "test/log/embedded.test.ts": "" }, ["src/log/conformance.ts: nothing reaches it"]],
  ],
  "no dead exports": [
    [{ "src/core/sum.ts": "export interface Sum {}\nexport type Rest = Sum;\nconst a = 1;\nexport { a as b };\n" }, [
      "src/core/sum.ts: nobody imports `Rest`",
      "src/core/sum.ts: nobody imports `b`",
    ]],
  ],
  "tests mirror sources": [
    [{ "test/core/lost.test.ts": "" }, ["test/core/lost.test.ts: there is no src/core/lost.ts"]],
    [{ "test/actors/lost.test.ts": "", "actors/kept.ts": "", "test/actors/kept.test.ts": "" }, [
      "test/actors/lost.test.ts: there is no actors/lost.ts",
    ]],
    [{ "test/kafka/app.test.ts": "", "test/event-time/app.test.ts": "" }, []],
  ],
};

for (const [title, cases] of Object.entries(PLANTED)) {
  test(`a planted fault is named: ${title}`, () => {
    for (const [plant, faults] of cases) assert.deepEqual(faultsOf(title, { ...SOUND, ...plant }), faults);
  });
}

test("every rule has a planted fault", () => {
  assert.deepEqual(Object.keys(PLANTED), Object.keys(RULES));
});

test("comments, strings, templates and regular expressions are no code", () => {
  const { code, comments } = readSource([
    'const a = "await"; // await',
    "const b = `await ${c ? `await ${1 + 1}` : {}} await`;",
    "/* await */ const d = 6 / 2 / 1, e = /[/]await\"/g, f = 'it\\'s await';",
    "return /* why */ /await'/.test(d);",
  ].join("\n"));
  assert.ok(!code.includes("await"), code);
  for (const kept of ["1 + 1", "{}", "6 / 2 / 1", ".test(d)"]) assert.ok(code.includes(kept), kept);
  assert.deepEqual(comments, ["// await", "/* await */", "/* why */"]);
});

test("imports, exports and functions are read as they are written", () => {
  const { imports, exports, code } = readSource([
    'import one, { two as zwei, type three } from "./a.ts";',
    'import type { four } from "./b.ts";',
    'import * as five from "./c.ts";',
    'import "./d.ts";',
    'const six = await import("./e.ts");',
    'export { seven as eight } from "./f.ts";',
    "export const text = \"import nine from './g.ts'\";",
    "export default class Ten {",
    "  get eleven(): { of: number } {",
    "    for (const x of []) {",
    "    }",
    "  }",
    "}",
    "export abstract class Twelve {}",
  ].join("\n"));
  assert.deepEqual(imports, [
    { specifier: "./a.ts", isType: false, names: ["default", "two", "three"] },
    { specifier: "./b.ts", isType: true, names: ["four"] },
    { specifier: "./c.ts", isType: false, names: ["*"] },
    { specifier: "./f.ts", isType: false, names: ["seven"] },
    { specifier: "./d.ts", isType: false, names: ["*"] },
    { specifier: "./e.ts", isType: false, names: ["*"] },
  ]);
  assert.deepEqual(exports, ["text", "Twelve", "eight", "default"]);
  assert.deepEqual(functionsOf(code), [{ name: "eleven", line: 9, lines: 4, inner: 0 }]);
});
