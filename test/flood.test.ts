/** Ten thousand bad connections: processing goes on, health answers, memory stays bounded. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { handler } from "../src/http/mod.ts";
import { listen, SERVER_LIMITS, type ServerLimits } from "../src/service/server.ts";
import { openSite } from "./http/site.ts";

const FLOODING = fileURLToPath(new URL("./flooding.ts", import.meta.url));
const WANTED = 10_000;
/** Files that a process needs beside its connections. */
const SPARE_FILES = 500;
/** Memory of this process that a connection may take, about; and beside all of them. In bytes. */
const [PER_CONNECTION, BESIDE] = [40_000, 300_000_000];

/** As many connections as a process of this machine may open, up to those wanted. */
function possible(wanted: number): number {
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? wanted : Math.min(wanted, Number(limit) - SPARE_FILES);
}

/** Opens connections from another process, which ends after the test; resolves with what it tells when all were tried. */
async function flood(t: TestContext, url: string, count: number): Promise<string> {
  const args = "deno" in process.versions ? ["run", "-A", "--quiet", "--no-check", FLOODING] : [FLOODING];
  const child: ChildProcess = spawn(process.execPath, [...args, url, `${count}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(async () => {
    const ended = once(child, "close");
    child.stdin!.end();
    await ended;
  });
  const [line] = await once(createInterface(child.stdout!), "line");
  return line as string;
}

async function flooded(t: TestContext, wanted: number, limits: Partial<ServerLimits>) {
  const site = await openSite(t, { runtime: { commitIntervalMs: 20 } });
  const { url, close } = await listen(handler({ runtime: site.runtime }), { hostname: "127.0.0.1", port: 0 }, {
    ...SERVER_LIMITS,
    ...limits,
  });
  t.after(() => close(0));
  const count = possible(wanted);
  const before = process.memoryUsage().rss;
  const urls = Array.from({ length: 10 }, (_, i) => `/${i}`);
  let rounds = 0;
  let isFlooding = true;
  const work = async () => {
    while (isFlooding || rounds < 20) {
      await site.view(urls);
      rounds++;
      await new Promise((resolve) => setTimeout(resolve, 10)); // leaves the processor to those who connect
    }
  };
  const working = work();
  const told = await flood(t, url, count);
  isFlooding = false;
  t.diagnostic(`${told} of ${count} connections`);
  return { site, url, count, told, before, rounds: () => rounds, working };
}

/** Asks for something on connections of its own. */
async function ask(url: string): Promise<Response> {
  return await fetch(url, { headers: { connection: "close" } });
}

test("ten thousand open connections are held, and all that is asked and put in is done", async (t) => {
  const { url, count, told, before, rounds, working, site } = await flooded(t, WANTED, {
    connections: WANTED + 1_000,
    ...{ headersMs: 120_000, requestMs: 120_000, keepAliveMs: 120_000 },
  });
  assert.equal(told, `open ${count} failed 0`);
  for (const path of ["/livez", "/readyz", "/actors/totals/%2F1"]) {
    assert.equal((await ask(url + path)).status, 200, path);
  }
  await working;
  const { context } = await (await ask(`${url}/actors/totals/%2F1`)).json();
  assert.equal(context.views, rounds());
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < count * PER_CONNECTION + BESIDE, `memory grew by ${grown} bytes`);
  assert.equal(site.runtime.isReady, true);
});

test("with the limit that a service has, those who only hold connections keep nobody out", async (t) => {
  const { url, rounds, working } = await flooded(t, 3 * SERVER_LIMITS.connections, {});
  for (let n = 0; n < 20; n++) assert.equal((await ask(`${url}/livez`)).status, 200);
  await working;
  assert.equal((await (await ask(`${url}/actors/totals/%2F1`)).json()).context.views, rounds());
});
