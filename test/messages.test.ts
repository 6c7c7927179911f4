import { match, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { denoCommand } from "./deno.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const MARK = "// @ts-expect-error ";

/** What the compiler must say, by the words behind the mark in `mistakes.ts`. */
const MESSAGES: Readonly<Record<string, RegExp>> = {
  "an event the machine does not know": /Did you mean '"view"'/,
  "a payload that does not fit": /Type 'string' is not assignable to type 'number'/,
  "an emitted event without a route": /emitted but not routed: add \.to\(name, topic, map\)/,
  "an unknown emit name": /'"conuted"' is not assignable to parameter of type '"counted"'/,
  "a sink of another type": /url|count/,
  "a window on a machine without window.close":
    /the machine has no `window\.close` event: add WindowClose to types\.events/,
  "an unkeyed source": /kind|Keyed/,
  "a user feeding window.close": /'"window\.close"' is not assignable to type '"view" \| "leave"'/,
  "a machine that declares no event types": /the machine declares no event types: add types\.events in setup\(\)/,
  "late records do not fit": /url|count/,
};

test("each mistake in a definition is a compile error that says what is wrong", () => {
  const lines = readFileSync(join(HERE, "mistakes.ts"), "utf8").split("\n");
  const cache = join(HERE, "..", ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "types-"));
  try {
    // The same file without its marks: every mistake shows its message, at its line.
    const file = join(folder, "unmarked.ts");
    writeFileSync(file, lines.map((line) => line.startsWith(MARK) ? "" : line).join("\n"));
    const [deno, ...args] = denoCommand();
    const { stdout, stderr } = spawnSync(deno, [...args, "check", file], {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    const errors = `${stdout}${stderr}`.split(/\n\n(?=TS\d+ \[|Found )/);
    for (const [index, line] of lines.entries()) {
      if (!line.startsWith(MARK)) continue;
      const what = line.slice(MARK.length);
      const found = errors.find((error) => new RegExp(`unmarked\\.ts:${index + 2}:`).test(error));
      ok(found, `no error at line ${index + 2}: ${what}\n${errors.join("\n\n")}`);
      if (MESSAGES[what]) match(found, MESSAGES[what], what);
    }
    for (const what of Object.keys(MESSAGES)) ok(lines.includes(MARK + what), `${what} is not in the list`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
