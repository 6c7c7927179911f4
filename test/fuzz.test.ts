/** A service with data is fuzzed from its own OpenAPI document, by Schemathesis. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { schemathesis } from "../scripts/schemathesis/home.ts";
import { serve } from "../src/service/mod.ts";
import { until } from "./http/site.ts";
import { optionsOf, viewLines } from "./service/views.ts";

const TOKEN = "fuzz-token-0123456789";
const SEED = 20_261_121;
/** Examples that are drawn for one route, beside those that try each bound of each parameter. */
const EXAMPLES = 15;
/** It takes about 15 s; what hangs is a failure. */
const LIMIT_MS = 120_000;

/** One exchange, as an HTTP archive has it. */
interface Exchange {
  readonly request: { readonly method: string; readonly url: string };
  readonly response: {
    readonly status: number;
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly content: { readonly text?: string; readonly encoding?: string };
  };
}

/** The document, but for waits, which would take the time that is there for examples. */
function withoutWaits(text: string): string {
  const document = JSON.parse(text);
  for (const { get } of Object.values(document.paths) as { readonly get?: { readonly parameters?: Named[] } }[]) {
    for (const parameter of get?.parameters ?? []) {
      if (parameter.name === "wait") parameter.schema["maximum"] = 20;
      if (parameter.name === "min") parameter.schema["maximum"] = 2;
      if (parameter.name === "minPosition") {
        parameter.schema["items"] = { type: "string", pattern: "^views/[01]:[0-2]$" };
      }
    }
  }
  return JSON.stringify(document);
}

interface Named {
  readonly name: string;
  readonly schema: Record<string, unknown>;
}

test("requests from the document, good and bad, find no error, no lie and no secret", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-fuzz-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const views = join(folder, "views.ndjson");
  writeFileSync(views, viewLines(["a", "b", "a", "/p", "c"], 100_000));
  const told: string[] = [];
  const onNotice = ({ code, message }: { code: string; message: string }) => void told.push(`${code} ${message}`);
  const service = await serve({ ...optionsOf(join(folder, "data"), [views]), token: TOKEN, onNotice });
  t.after(() => service.stop());
  await service.runtime.opened;
  const headers = { authorization: `Bearer ${TOKEN}` };
  await until(async () => (await fetch(`${service.url}/actors/totals/a`, { headers })).ok);
  const schema = join(folder, "openapi.json");
  writeFileSync(schema, withoutWaits(await (await fetch(`${service.url}/openapi.json`, { headers })).text()));

  const archive = join(folder, "archive.har");
  const { command, args, env } = await schemathesis();
  const own = [
    ...["run", schema, "--url", service.url!, "--header", `Authorization: Bearer ${TOKEN}`, "--no-color"],
    ...["--seed", `${SEED}`, "--max-examples", `${EXAMPLES}`, "--no-shrink"],
    ...["--phases", "examples,coverage,fuzzing", "--checks", "all", "--request-timeout", "20"],
    ...["--continue-on-failure", "--generation-database", "none", "--warnings", "off"],
    ...["--report", "har", "--report-har-path", archive, "--output-sanitize", "false"],
    // A stream has no end to wait for; and no schema tells a cursor from a text that looks like one.
    ...["--exclude-path-regex", "/changes$", "--exclude-checks", "positive_data_acceptance"],
  ];
  const child = spawn(command, [...args, ...own], { cwd: folder, env: { ...process.env, ...env } });
  let output = "";
  child.stdout.on("data", (data) => output += data);
  child.stderr.on("data", (data) => output += data);
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [code] = await once(child, "close");
  clearTimeout(limit);
  assert.equal(code, 0, `seed ${SEED}: ${output}`);

  const { log: { entries } } = JSON.parse(readFileSync(archive, "utf8")) as { log: { entries: Exchange[] } };
  assert.ok(entries.length > 300, `only ${entries.length} requests were made`);
  const statuses = new Map<number, number>();
  for (const { request, response } of entries) {
    const { status, content: { text = "", encoding } } = response;
    const where = `${request.method} ${request.url} ${status} ${text}`;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const body = encoding === "base64" ? Buffer.from(text, "base64").toString() : text;
    const retry = response.headers.some(({ name }) => name.toLowerCase() === "retry-after");
    assert.ok(status < 500 || status === 503 && retry, where);
    for (const secret of [TOKEN, process.cwd(), folder]) assert.ok(!body.includes(secret), where);
    assert.doesNotMatch(body, /node:internal|\.ts:\d+|\n\s+at /, where);
  }
  for (const status of [200, 400, 401, 404, 405]) {
    assert.ok(statuses.has(status), `nothing was answered with ${status}`);
  }
  assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
  assert.deepEqual(told.filter((notice) => /REQUEST_FAILED/.test(notice)), []);
});
