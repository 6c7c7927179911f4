import { deepEqual, equal, match } from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePort } from "../scripts/kafka/ports.ts";
import { Child, inRepository } from "./cli/child.ts";
import { Backend } from "./kafka/jaeger.ts";

const folder = mkdtempSync(join(tmpdir(), "tidemark-scripts-jaeger-"));
after(() => rmSync(folder, { recursive: true }));

/** The scripts without what they have built. */
function copyOfScripts(): string {
  mkdirSync(join(folder, "scripts"));
  for (const part of ["jaeger.ts", "jaeger", "kafka", "fetched.ts"]) {
    cpSync(inRepository("scripts", part), join(folder, "scripts", part), { recursive: true });
  }
  cpSync(inRepository("package.json"), join(folder, "package.json"));
  return join(folder, "scripts", "jaeger.ts");
}

test("where Jaeger cannot be had the scripts say what to install", async () => {
  const file = copyOfScripts();
  const nowhere = { XDG_CACHE_HOME: join(folder, "cache"), PATH: folder, TIDEMARK_JAEGER: "" };
  const without = await new Child(["fetch"], { file, env: nowhere, stdin: "" }).ended;
  equal(without.code, 1);
  match(without.stderr, /no "go" on the PATH\. Install Go 1\.24 or newer, or set TIDEMARK_JAEGER to the path/);

  const given = { ...nowhere, TIDEMARK_JAEGER: join(folder, "no-jaeger") };
  const wrong = await new Child(["fetch"], { file, env: given, stdin: "" }).ended;
  equal(wrong.code, 1);
  match(wrong.stderr, /TIDEMARK_JAEGER is ".*no-jaeger", and there is no such file/);
});

test("a Jaeger takes spans where it says until it is stopped", async () => {
  const [port, query] = [await freePort(), await freePort()];
  const file = inRepository("scripts", "jaeger.ts");
  const child = new Child(["--port", `${port}`, "--query", `${query}`], { file, stdin: "" });
  const [, endpoint] = await child.said(/OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)/);
  const [, asked] = await child.said(/Ask it at (\S+)\{id\}/);
  const sent = await fetch(`${endpoint}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceSpans: [{
        resource: { attributes: [{ key: "service.name", value: { stringValue: "cellar" } }] },
        scopeSpans: [{
          spans: [{
            traceId: "0af7651916cd43dd8448eb211c80319c",
            spanId: "b7ad6b7169203331",
            name: "one",
            kind: 1,
            startTimeUnixNano: "1",
            endTimeUnixNano: "2",
          }],
        }],
      }],
    }),
  });
  equal(sent.status, 200, await sent.text());
  const [, url] = /^(.*)\/api\/v3\/traces\/$/.exec(asked!)!;
  deepEqual(await new Backend(url!).tree("0af7651916cd43dd8448eb211c80319c", 1), ["cellar: one (internal)"]);
  const { code, stderr } = await child.stop("SIGTERM");
  equal(code, 0, stderr);
});
