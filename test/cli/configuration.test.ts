import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, test } from "node:test";
import fc from "fast-check";
import { parseCall } from "../../src/cli/command.ts";
import { Configuration, defaultShown } from "../../src/cli/configuration/configuration.ts";
import { environmentOf, RUN_OPTIONS, type RunOption, type Value } from "../../src/cli/configuration/options.ts";
import { serveOptions } from "../../src/cli/configuration/serve-options.ts";
import { loadModule } from "../../src/cli/module.ts";
import { Output } from "../../src/cli/output.ts";
import { run } from "../../src/cli/run.ts";
import { appFile, inRepository, tidemark } from "./child.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-config-"));
after(() => rmSync(folder, { recursive: true }));

const SECRET = "correct horse";

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A configuration of flags, an environment and what a file says. */
function configured(args: string[], env: Record<string, string> = {}, file?: unknown): Configuration {
  const named = file === undefined ? [] : ["--config", written("tidemark.json", JSON.stringify(file))];
  return new Configuration(parseCall(run, ["app.ts", ...args, ...named], new Output(new Writable())), env);
}

function refused(message: RegExp, ...call: Parameters<typeof configured>): void {
  const isFlag = /^\^--/.test(message.source);
  const code = isFlag ? "TIDEMARK_USAGE" : "TIDEMARK_OPTION_INVALID";
  assert.throws(() => configured(...call), { code, message });
}

/** Two values an option may have, neither its default. */
function valuesOf({ kind, choices, least = 0, otherwise }: RunOption): [Value, Value] {
  if (kind === "switch") return [true, false];
  if (kind === "count") return [least + 7, least + 8];
  if (kind === "list") return [["a=1"], ["b=2", "c=3"]];
  return choices ? [choices[0]!, choices.find((one) => one !== otherwise)!] : ["one", "two"];
}

const SOURCES = ["flag", "environment", "file"] as const;

test("of every option the flag wins over the environment, that over the file, and that over the default", () => {
  const chosen = fc.constantFrom(...[...RUN_OPTIONS].filter(([name]) => !name.endsWith("-file")));
  const sources = fc.record({ flag: fc.boolean(), environment: fc.boolean(), file: fc.boolean(), turn: fc.boolean() });
  fc.assert(
    fc.property(chosen, sources, ([name, option], { turn, ...given }) => {
      const isPossible = {
        flag: !option.isWithoutFlag,
        environment: true,
        file: !option.isSecret,
      };
      const by = SOURCES.filter((source) => given[source] && isPossible[source]);
      const [winning, losing] = turn ? valuesOf(option) : valuesOf(option).toReversed() as [Value, Value];
      const valueBy = (source: string) => (source === by[0] ? winning : losing);
      // Kafka's options count only where there is one.
      const args = name === "kafka" ? [] : ["--kafka", "host:1"];
      const env: Record<string, string> = {};
      const file: Record<string, Value> = {};
      for (const source of by) {
        const value = valueBy(source);
        if (source === "file") file[name] = value;
        else if (source === "environment") env[environmentOf(name)] = String(value);
        else if (option.kind === "switch") args.push(value ? `--${name}` : `--no-${name}`);
        else for (const one of [value].flat()) args.push(`--${name}=${one}`);
      }
      const config = configured(args, env, file);
      const otherwise = typeof option.otherwise === "object" && "depends" in option.otherwise
        ? undefined
        : option.otherwise;
      assert.deepEqual(config.get(name), by.length > 0 ? winning : otherwise);
      const line = config.lines().find((one) => one.startsWith(`${name} `))!;
      const origin = { flag: `flag --${name}`, environment: `environment ${environmentOf(name)}`, file: "file " };
      assert.match(line, new RegExp(`  ${by[0] ? origin[by[0]] : "default"}`));
    }),
    { numRuns: 500 },
  );
});

test("a file is refused with its name, the key, what was found, what is expected, and what was meant", () => {
  refused(/tidemark\.json": there is no option "comit-interval": did you mean "commit-interval"\?$/, [], {}, {
    "comit-interval": 5,
  });
  refused(/there is no option "colour": the options are data, kafka, /, [], {}, { colour: "red" });
  refused(/tidemark\.json": "cache" is "5", expected a whole number from 2$/, [], {}, { cache: "5" });
  refused(/"follow" is "yes", expected true or false$/, [], {}, { follow: "yes" });
  refused(/"input" is "a", expected a list of texts$/, [], {}, { input: "a" });
  refused(/"data" is null, expected a text$/, [], {}, { data: null });
  refused(/it holds \[\], expected an object of options$/, [], {}, []);
  refused(/"cache" in file .*tidemark\.json is "1.5": give a whole number from 2$/, [], {}, { cache: 1.5 });
  refused(/"guarantee" in file .* is "maybe": give exactly-once or at-least-once$/, [], {}, { guarantee: "maybe" });
  refused(/"none\.json": it cannot be read: /, ["--config", "none.json"]);
});

test("a flag and a variable are refused by their own names", () => {
  refused(/^--cache is "1": give a whole number from 2$/, ["--cache", "1"]);
  refused(/TIDEMARK_CACHE is "many": give a whole number from 2$/, [], { TIDEMARK_CACHE: "many" });
  refused(/TIDEMARK_FOLLOW is "yes": give true or false$/, [], { TIDEMARK_FOLLOW: "yes" });
  refused(/KAFKA_TLS is "on": give true or false$/, ["--kafka", "host:1"], { KAFKA_TLS: "on" });
});

test("a variable that is empty says nothing, nor does Kafka's where there is no Kafka", () => {
  const config = configured([], { TIDEMARK_CACHE: "", TIDEMARK_CONFIG: "", KAFKA_TLS: "on" });
  assert.deepEqual([config.count("cache"), config.isOn("kafka-tls")], [100_000, false]);
});

test("what is configured is what the service gets", async () => {
  const file = { kafka: "one:1, two:2", "kafka-session-timeout-ms": 9_000, from: "2026-11-21", listen: "0.0.0.0:80" };
  const env = {
    TIDEMARK_TRACES_PER_SECOND: "7",
    KAFKA_SASL_MECHANISM: "plain",
    KAFKA_SASL_USERNAME: "ann",
    KAFKA_TLS: "true",
  };
  const secret = written("password", `${SECRET}\n`);
  const config = configured(["--kafka-sasl-password-file", secret, "--stop-within=500"], env, file);
  const options = serveOptions(config, await loadModule(appFile("counts")));
  assert.deepEqual(options.kafka, {
    brokers: ["one:1", "two:2"],
    sessionTimeoutMs: 9_000,
    tls: true,
    sasl: { mechanism: "plain", username: "ann", password: SECRET },
  });
  const { listen, from, stopMs, cacheEntries, tracesPerSecond, partitions, follow } = options;
  assert.deepEqual({ listen, from, stopMs, cacheEntries, tracesPerSecond, partitions, follow }, {
    listen: { hostname: "0.0.0.0", port: 80 },
    from: Date.UTC(2026, 10, 21),
    stopMs: 500,
    cacheEntries: 100_000,
    tracesPerSecond: 7,
    partitions: undefined,
    follow: false,
  });
});

test("the README lists every option with its flag, its variable, its default and what it does", () => {
  const readme = readFileSync(inRepository("README.md"), "utf8").replaceAll(/ +/g, " ");
  for (const [name, option] of RUN_OPTIONS) {
    const { isWithoutFlag, help, kind } = option;
    const otherwise = kind === "switch" || kind === "list" || name.endsWith("-file") ? "" : defaultShown(option);
    const cells = [`\`${isWithoutFlag ? "" : "--"}${name}\``, `\`${environmentOf(name)}\``, otherwise, help];
    const row = `| ${cells.join(" | ")} |`.replaceAll(/ +/g, " ");
    assert.ok(readme.includes(row), `it lacks ${row}`);
  }
});

test("a secret has no flag, is refused in the file, comes from one place only, and is never shown", async () => {
  for (const [name, { isSecret, isWithoutFlag }] of RUN_OPTIONS) if (isSecret) assert.ok(isWithoutFlag, name);
  const kafka = ["--kafka", "host:1"];
  refused(/"kafka-sasl-password" is a secret.*set KAFKA_SASL_PASSWORD, or give "kafka-sasl-password-file"$/, [], {}, {
    "kafka-sasl-password": SECRET,
  });
  const both = { KAFKA_SASL_PASSWORD: SECRET };
  refused(/^--kafka-sasl-password-file is ".*": environment KAFKA_SASL_PASSWORD says the same/, [
    ...kafka,
    "--kafka-sasl-password-file",
    written("password", SECRET),
  ], both);
  refused(/^--kafka-sasl-password-file is ".*": the file is empty/, [
    ...kafka,
    "--kafka-sasl-password-file",
    written("empty", "\n"),
  ]);
  refused(/^--kafka-sasl-password-file is ".*": .*ENOENT/, [...kafka, "--kafka-sasl-password-file", "nowhere"]);

  const broken = written("broken.json", `{ "kafka-sasl-password": ${SECRET} }`);
  const misplaced = written("misplaced.json", JSON.stringify({ "kafka-sasl-password": SECRET }));
  const app = appFile("counts");
  const env = { KAFKA_SASL_PASSWORD: SECRET, KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "ann" };
  const calls = [["--print-config"], ["--config", broken], ["--config", misplaced], ["--kafka-sasl-password", SECRET], [
    `--kafka-sasl-password=${SECRET}`,
  ]];
  const [shown, ...endings] = await Promise.all(
    calls.map((args) => tidemark(["run", app, "--kafka", "127.0.0.1:1", ...args], { env, cwd: folder })),
  );
  assert.deepEqual([shown!.code, shown!.stderr], [0, ""]);
  assert.match(shown!.stdout, /^kafka-sasl-password +\*\*\* +environment KAFKA_SASL_PASSWORD$/m);
  assert.match(shown!.stdout, /^kafka +"127\.0\.0\.1:1" +flag --kafka$/m);
  assert.match(endings[0]!.stderr, /broken\.json": it is not JSON/);
  for (const { code, stdout, stderr } of [shown!, ...endings]) {
    assert.ok(!(stdout + stderr).includes("horse"), stderr);
    if (stdout === "") assert.notEqual(code, 0);
  }
});
