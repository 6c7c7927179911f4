/**
 * The first run: a web server's log in, state out. `deno task start [--input FILE] [--follow] [...]`
 *
 * Without an input it takes the sample that lies beside the actors. Every option of `tidemark run` can be given.
 */

import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { tidemark } from "../src/cli/tidemark.ts";

const ACTORS = fileURLToPath(new URL("../actors/", import.meta.url));

/** The value of the first option of a name, as in `--input FILE` or `--input=FILE`. */
function valueOf(option: string, args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === option || arg.startsWith(`${option}=`));
  if (at === -1) return undefined;
  return args[at] === option ? args[at + 1] ?? "" : args[at]!.slice(option.length + 1);
}

const args = process.argv.slice(2);
const input = valueOf("--input", args);
const sample = ["--input", join(ACTORS, "data", "apache-access.log.gz")];
const name = input === undefined ? "sample" : input === "-" ? "standard-input" : basename(input);
const folder = ["--data", join(".tidemark", name)];

process.exit(
  await tidemark([
    "run",
    join(ACTORS, "traffic-monitor.ts"),
    ...(input === undefined ? sample : []),
    ...(valueOf("--data", args) === undefined ? folder : []),
    ...args,
  ]),
);
