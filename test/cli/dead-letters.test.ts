import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import letters from "../../actors/techniques/dead-letters.ts";
import { parseCall } from "../../src/cli/command.ts";
import { deadLetters } from "../../src/cli/dead-letters.ts";
import { noteModule } from "../../src/cli/source/data-folder.ts";
import type { App } from "../../src/mod.ts";
import { serve, type Service } from "../../src/service/service.ts";
import { blocksIn } from "../readme/examples.ts";
import { inRepository, tidemark } from "./child.ts";

mkdirSync(inRepository(".cache"), { recursive: true });
const root = mkdtempSync(join(inRepository(".cache"), "dead-letters-")); // where `tidemark` resolves
let service: Service | undefined;
after(async () => {
  await service?.stop();
  rmSync(root, { recursive: true });
});

const APP_FILE = inRepository("actors", "techniques", "dead-letters.ts");

/** Runs an app on the same folder as the one before. */
async function started(app: App): Promise<string[]> {
  await service?.stop();
  const listen = { hostname: "127.0.0.1", port: 0 };
  const rest = { partitions: 1, inputs: [], follow: false, toEnd: false, topics: [], onNotice: () => {} };
  service = await serve({ app, dataDir: join(root, "data"), listen, ...rest });
  await noteModule(join(root, "data"), APP_FILE);
  return ["--url", service.url!];
}

/** The app with a machine that takes every amount. */
async function fixed(): Promise<App> {
  const file = join(root, "fixed.ts");
  const text = readFileSync(APP_FILE, "utf8");
  const changed = text.replace("event.cents <= 0", "false");
  equal(changed === text, false);
  writeFileSync(file, changed);
  return (await import(pathToFileURL(file).href)).default;
}

/** The commands of the README's section, as arguments with what they are fed. */
function commands(): { readonly args: string[]; readonly stdin: string }[] {
  const readme = readFileSync(inRepository("README.md"), "utf8");
  const section = readme.slice(readme.indexOf("\n## Dead letters\n"), readme.indexOf("\n## Commands\n"));
  const [block] = blocksIn(section).filter(({ language }) => language === "sh");
  return block!.code.trim().split("\n").map((line) => {
    const [, fed = "", args] = /^(?:echo '(.*)' \| )?tidemark (.*?)(?: #.*)?$/.exec(line)!;
    return { args: args!.split(" "), stdin: `${fed}\n` };
  });
}

test("the commands of the README list a dead letter, show it and send it back, once", async () => {
  const outputs: string[] = [];
  let where: string[] = [];
  let runs = 0;
  for (const { args, stdin } of commands()) {
    if (args[0] === "run") {
      equal(args[1], "actors/techniques/dead-letters.ts");
      where = await started(runs++ === 0 ? letters : await fixed());
      continue;
    }
    const { code, stdout, stderr } = await tidemark([...args, ...where], { stdin });
    deepEqual([code, stderr], [0, ""], args.join(" "));
    outputs.push(stdout);
  }
  equal(runs, 2);
  const [sent, list, show, first, all, query] = outputs;
  equal(sent, "sent 1 records\n");
  const letter = JSON.parse(list!);
  const { message, record: { timestamp, ...place }, ...about } = letter;
  match(message, /a transfer of -5 cents/);
  deepEqual(place, { topic: "transfers", partition: 0, offset: 0 });
  deepEqual(about, {
    partition: 0,
    offset: 0,
    reason: "TIDEMARK_FOLD_FAILED",
    actor: "spending",
    machineVersion: 1,
    key: "ann",
    attempts: 1,
  });
  const { stack, record, ...shown } = JSON.parse(show!);
  match(stack, /^RangeError: a transfer of -5 cents\n[^]*dead-letters\.ts/);
  deepEqual(shown, { ...about, message, sentBack: null, state: null });
  const value = '{"card":"ann","cents":-5}';
  deepEqual(record, {
    ...place,
    timestamp,
    key: null,
    value: { text: value, base64: btoa(value) },
    headers: [],
  });
  const { at, ...result } = JSON.parse(first!);
  const outcomes = [{ actor: "spending", outcome: "folded" }];
  deepEqual(result, { partition: 0, offset: 0, status: "sent-back", outcomes });
  deepEqual(JSON.parse(all!), { ...result, status: "sent-back-already", at });
  deepEqual(JSON.parse(query!), { key: "ann", state: {}, context: { spent: -5 } });

  const refusedOnes = await tidemark(["dead-letters", "send-back", "0/7", ...where]);
  equal(refusedOnes.code, 1);
  match(refusedOnes.stderr, /TIDEMARK_DEAD_LETTER_UNKNOWN/);
  const shownAgain = await tidemark(["dead-letters", "show", "0/0", ...where]);
  deepEqual(JSON.parse(shownAgain.stdout).sentBack, { at, outcomes });
  deepEqual(JSON.parse(shownAgain.stdout).state, { key: "ann", state: {}, context: { spent: -5 } });
  await service!.stop();
  service = undefined;
  const ofFolder = await tidemark(["dead-letters", "--data", join(root, "data"), "--actor", "spending"]);
  deepEqual([ofFolder.code, ofFolder.stdout], [0, list]);
});

test("what cannot be understood is a misuse, and nothing is done", async () => {
  const lines = ["forget", "list 0/1", "show", "show x", "send-back", "send-back 0/0 --all", `show 0/0 --data ${root}`];
  for (const line of lines) {
    const call = parseCall(deadLetters, line.split(" "), undefined as never);
    await rejects(deadLetters.run(call), { code: "TIDEMARK_USAGE" }, line);
  }
});
