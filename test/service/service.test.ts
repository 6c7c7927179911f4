import assert from "node:assert/strict";
import { appendFile, chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { embeddedLog } from "../../src/log/embedded/log.ts";
import { app } from "../../src/mod.ts";
import { serve, type Service } from "../../src/service/mod.ts";
import { site, until } from "../http/site.ts";
import { afterwards, emptyFolder, optionsOf, startProcess, viewLines } from "./views.ts";

async function ask(service: Service, path: string) {
  const response = await fetch(service.url + path);
  return { status: response.status, text: await response.text() };
}

async function states(service: Service, actor = "totals"): Promise<Record<string, number>> {
  const { text } = await ask(service, `/actors/${actor}?limit=1000`);
  const found: { key: string; context: Record<string, number> }[] = JSON.parse(text).states ?? [];
  return Object.fromEntries(found.map(({ key, context }) => [key, (context["views"] ?? context["count"])!]));
}

async function records(service: Service, topic: string) {
  const { text } = await ask(service, `/topics/${topic}`);
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** Waits until all states are these. */
async function untilStates(service: Service, expected: Record<string, number>): Promise<void> {
  await service.runtime.opened;
  await until(async () => {
    const found = await states(service);
    return Object.keys(found).length === Object.keys(expected).length &&
      Object.entries(expected).every(([key, views]) => found[key] === views);
  });
}

test("the lines of a file become states, those that cannot are dead letters, and all can be asked for", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a", "/b", "/a"]) + "not JSON\n" + viewLines(["/a"]));
  const service = await serve({ ...optionsOf(join(folder, "data"), [file]), topics: ["beside"] });
  afterwards(t, () => service.stop());
  assert.equal((await ask(service, "/livez")).status, 200);
  await untilStates(service, { "/a": 3, "/b": 1 });
  assert.equal((await ask(service, "/readyz")).status, 200);
  assert.match((await ask(service, "/metrics")).text, /^tidemark_records_total\{.*outcome="folded"\} \d+$/m);
  const [dead, ...others] = await records(service, "site.dead-letters");
  assert.equal(others.length, 0);
  assert.equal(Object.fromEntries(dead.headers)["dlq.reason"], "TIDEMARK_INPUT_UNPARSABLE");
  assert.equal(dead.valueBase64, btoa("not JSON"));
  assert.deepEqual(await records(service, "beside"), []);
  const { size } = await stat(file);
  assert.deepEqual(service.inputs, [{
    path: file,
    name: basename(file),
    hasEnded: true,
    lines: 5,
    records: 4,
    deadLetters: 1,
    bytes: size,
    readBytes: size,
    sizeBytes: size,
  }]);
});

test("a restart goes on where it stopped, with the file and with the states", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a", "/b", "/a"]));
  const options = optionsOf(join(folder, "data"), [file]);
  const first = await serve(options);
  await untilStates(first, { "/a": 2, "/b": 1 });
  await first.stop();
  await appendFile(file, viewLines(["/c", "/a"], 10_000));
  for (let restart = 0; restart < 2; restart++) {
    const again = await serve(options);
    await untilStates(again, { "/a": 3, "/b": 1, "/c": 1 });
    await until(() => again.inputs[0]!.hasEnded);
    assert.equal(again.inputs[0]!.lines, restart === 0 ? 2 : 0);
    await again.stop();
  }
  assert.equal((await readFile(join(folder, "data", "app"), "utf8")).trim(), "site");
});

test("where reading begins is chosen before anything is fed, and once", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/new", "/new"]));
  const data = join(folder, "data");
  const log = await embeddedLog(join(data, "log"));
  await log.createTopics([{ name: "views", partitions: 2 }]);
  const old = { key: null, value: viewLines(["/old"]).trim(), timestamp: 0 };
  for (const partition of [0, 1]) await log.append("views", partition, [old]);
  await log.close();
  for (const from of ["latest", "earliest"] as const) {
    const service = await serve({ ...optionsOf(data, [file]), from });
    await untilStates(service, { "/new": 2 });
    await service.stop();
  }
});

test("a followed file is fed as it grows", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a"]));
  const service = await serve({ ...optionsOf(join(folder, "data"), [file]), follow: true });
  afterwards(t, () => service.stop());
  await untilStates(service, { "/a": 1 });
  await appendFile(file, viewLines(["/a", "/b"]));
  await untilStates(service, { "/a": 2, "/b": 1 });
  await service.stop();
  assert.equal(service.inputs[0]!.hasEnded, false);
});

test("with toEnd everything open is closed after the last line, and the service ends", async (t) => {
  const folder = await emptyFolder(t);
  const files = [join(folder, "views.ndjson"), join(folder, "more", "views.ndjson")];
  await mkdir(dirname(files[1]!));
  await writeFile(files[0]!, viewLines(Array.from({ length: 60 }, (_, i) => `/${i % 3}`)));
  await writeFile(files[1]!, viewLines(["/0"], 30_000));
  const options = { ...optionsOf(join(folder, "data"), files), toEnd: true };
  const service = await serve(options);
  await service.ended;
  await assert.rejects(fetch(service.url + "/livez"));
  assert.deepEqual(service.inputs.map(({ name, hasEnded, records }) => [name, hasEnded, records]), [
    ["views.ndjson", true, 60],
    ["views.ndjson (2)", true, 1],
  ]);

  const again = await serve(optionsOf(join(folder, "data")));
  afterwards(t, () => again.stop());
  await again.runtime.opened;
  assert.deepEqual(await states(again), { "/0": 21, "/1": 20, "/2": 20 });
  assert.deepEqual(await states(again, "per-minute"), {});
  // Windows are [k·60 + 5, k·60 + 65) s: views at 0 to 59 s are in two of them for each URL. All lie within the bound of
  // 60 s, because nobody knows in which order the two files come.
  const counts = await records(again, "counts");
  assert.equal(counts.length, 6);
  assert.equal(counts.reduce((total, { value }) => total + value.count, 0), 61);
});

test("without an address nothing listens, and without inputs nothing is fed", async (t) => {
  const folder = await emptyFolder(t);
  const service = await serve({ ...optionsOf(folder), listen: undefined });
  assert.equal(service.url, undefined);
  assert.deepEqual(service.inputs, []);
  await service.runtime.opened;
  await service.stop();
  await service.stop();
  await service.ended;
});

test("an input that fails ends the service with its error, and leaves nothing open", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a"]));
  const options = optionsOf(join(folder, "data"), [file, join(folder, "missing")]);
  const service = await serve({ ...options, follow: true });
  await assert.rejects(service.ended, { code: "TIDEMARK_INPUT_UNREADABLE" });
  await assert.rejects(service.stop(), { code: "TIDEMARK_INPUT_UNREADABLE" });
  await assert.rejects(fetch(service.url + "/livez"));
  const again = await serve(optionsOf(join(folder, "data"), [file]));
  afterwards(t, () => again.stop());
  await untilStates(again, { "/a": 1 });
});

test("options that contradict each other or are out of bounds are refused", async (t) => {
  const folder = await emptyFolder(t);
  const bad = [{ follow: true, toEnd: true }, { stopMs: 0 }, { partitions: 0 }, { commitIntervalMs: -1 }];
  for (const options of bad) {
    await assert.rejects(serve({ ...optionsOf(folder), ...options }), { code: "TIDEMARK_OPTION_INVALID" });
  }
  await (await serve(optionsOf(folder))).stop();
});

test("a data folder of another app is refused and stays as it is", async (t) => {
  const folder = await emptyFolder(t);
  await (await serve(optionsOf(folder))).stop();
  const other = app("other", []);
  await assert.rejects(serve({ ...optionsOf(folder), app: other }), {
    code: "TIDEMARK_STORE_FOREIGN",
    message:
      `Cannot use data folder "${folder}" for app "other": it belongs to app "site"; give each app a folder of its own`,
  });
  await (await serve(optionsOf(folder))).stop();
});

test("a data folder that is in use is refused, by this process and by another", async (t) => {
  const folder = await emptyFolder(t);
  const other = startProcess(t, ["serve", folder]);
  await other.says("serving");
  await assert.rejects(serve(optionsOf(folder)), { code: "TIDEMARK_LOG_LOCKED" });
  other.kill("SIGTERM");
  assert.equal(await other.exit(), 0);
  const service = await serve(optionsOf(folder));
  afterwards(t, () => service.stop());
  await assert.rejects(serve(optionsOf(folder)), { code: "TIDEMARK_LOG_LOCKED" });
});

test("a store that another process holds ends the service instead of waiting for ever", async (t) => {
  const folder = await emptyFolder(t);
  await (await serve(optionsOf(folder))).stop();
  const other = startProcess(t, ["hold-store", join(folder, "stores"), "totals.repartition-1"]);
  await other.says("holding");
  const service = await serve(optionsOf(folder));
  await assert.rejects(service.ended, { code: "TIDEMARK_STORE_LOCKED" });
  other.kill("SIGKILL");
  await other.exit();
  const again = await serve(optionsOf(folder));
  await again.runtime.opened;
  await again.stop();
});

test("a port that is taken is told, and leaves nothing open", async (t) => {
  const folder = await emptyFolder(t);
  const first = await serve(optionsOf(join(folder, "first")));
  afterwards(t, () => first.stop());
  const port = Number(new URL(first.url!).port);
  const second = { ...optionsOf(join(folder, "second")), listen: { hostname: "127.0.0.1", port } };
  await assert.rejects(serve(second), { code: "TIDEMARK_ADDRESS_IN_USE" });
  const again = await serve(optionsOf(join(folder, "second")));
  await again.runtime.opened;
  await again.stop();
});

test("a data folder that is a file, or lies in one, is told", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "file");
  await writeFile(file, "");
  for (const dataDir of [file, join(file, "data")]) {
    await assert.rejects(serve(optionsOf(dataDir)), { code: "TIDEMARK_STORE_IO" });
  }
});

test("a data folder that may only be read is told", async (t) => {
  const folder = await emptyFolder(t);
  const data = join(folder, "data");
  await mkdir(data);
  await chmod(folder, 0o755);
  await chmod(data, 0o555);
  for (const dataDir of [data, join(data, "new")]) {
    const other = startProcess(t, ["serve-as-nobody", dataDir]);
    assert.equal(await other.exit(), 0);
    assert.match(other.lines.join(), /^error TIDEMARK_(STORE|LOG)_IO Cannot .*(permission denied|read-only)/i);
  }
});

test("a disk that gets full ends the service with what the system says, and is no harm later", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(Array.from({ length: 20_000 }, (_, i) => `/${i % 100}`)));
  const data = join(folder, "data");
  // No file may become larger than this many blocks of 512 bytes: it fails as a full disk does.
  const limited = ["sh", "-c", `trap "" XFSZ; ulimit -f 800; exec "$@"`, "sh"];
  const other = startProcess(t, ["serve", data, file], limited);
  assert.equal(await other.exit(), 0);
  assert.match(other.lines.join("\n"), /^error TIDEMARK_(LOG|STORE)_IO Cannot write ".*data.*File too large/m);
  const service = await serve({ ...optionsOf(data, [file]), commitIntervalMs: 100 });
  afterwards(t, () => service.stop());
  await untilStates(service, Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`/${i}`, 200])));
});

test("SIGTERM ends a service orderly, SIGHUP does not: what was committed is there, and nothing is held", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a", "/b"]));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const other = startProcess(t, ["serve", join(folder, "data"), file]);
    await other.says("serving");
    other.kill("SIGHUP");
    other.kill(signal);
    assert.equal(await other.exit(), 0);
    assert.deepEqual(other.lines, ["serving", signal, "ended"]);
  }
  const service = await serve(optionsOf(join(folder, "data"), [file]));
  afterwards(t, () => service.stop());
  await untilStates(service, { "/a": 1, "/b": 1 });
});

test("a second signal ends the process at once, unless it is the first one passed on", async (t) => {
  for (const [second, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const other = startProcess(t, ["never-stop"]);
    await other.says("waiting");
    other.kill("SIGTERM");
    await other.says("SIGTERM");
    const began = performance.now();
    const again = setInterval(() => other.kill(second), 100);
    assert.equal(await other.exit().finally(() => clearInterval(again)), code);
    assert.ok(performance.now() - began > 400);
    assert.deepEqual(other.lines, ["waiting", "SIGTERM"]);
  }
});

test("requests under way are answered before a service ends", async (t) => {
  const folder = await emptyFolder(t);
  const service = await serve(optionsOf(folder));
  await service.runtime.opened;
  const { hostname, port } = new URL(service.url!);
  const socket = connect(Number(port), hostname);
  let received = "";
  socket.on("data", (data) => received += data.toString());
  const body = '{"url":"/late","time":1}';
  socket.write(
    "POST /topics/views HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n" +
      `content-length: ${body.length}\r\n\r\n`,
  );
  await until(() => received.includes("100 Continue"));
  const stopped = service.stop();
  socket.write(body);
  await stopped;
  assert.match(received, /HTTP\/1\.1 200 OK[^]*"records":1/);
});

test("streams and waits do not hold up the end of a service", async (t) => {
  const service = await serve({ ...optionsOf(await emptyFolder(t)), stopMs: 60_000 });
  await service.runtime.opened;
  const { body } = await fetch(`${service.url}/actors/totals/a/changes`);
  const reader = body!.getReader();
  await reader.read();
  const waiting = ask(service, "/actors/totals/a?minPosition=views/0:9&wait=30000");
  await ask(service, "/livez");
  const began = performance.now();
  await service.stop();
  assert.ok(performance.now() - began < 10_000);
  assert.equal((await waiting).status, 503);
  while (!(await reader.read()).done);
});

test("while it stops it is not ready at once, alive, and its queries answer the truth until all is committed", async (t) => {
  const folder = await emptyFolder(t);
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a", "/b", "/a"]));
  const service = await serve({ ...optionsOf(join(folder, "data"), [file]), stopMs: 60_000 });
  await untilStates(service, { "/a": 2, "/b": 1 });
  assert.equal((await ask(service, "/readyz")).status, 200);
  // A request that is under way keeps the stores open.
  const { hostname, port } = new URL(service.url!);
  const socket = connect(Number(port), hostname);
  afterwards(t, async () => void socket.destroy());
  let received = "";
  socket.on("data", (data) => received += data.toString());
  const head = "POST /topics/views HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
  socket.write(`${head}expect: 100-continue\r\ncontent-length: 22\r\n\r\n`);
  await until(() => received.includes("100 Continue"));
  const stopped = service.stop();
  for (let turn = 0; turn < 20; turn++) {
    const [ready, alive, state] = [await ask(service, "/readyz"), await ask(service, "/livez"), await states(service)];
    assert.equal(ready.status, 503);
    assert.equal(JSON.parse(ready.text).detail, "Not ready: the service is stopping");
    assert.deepEqual([alive.status, state], [200, { "/a": 2, "/b": 1 }]);
    assert.match((await ask(service, "/metrics")).text, /^tidemark_ready(\{.*\})? 0$/m);
  }
  socket.write('{"url":"/c","time":1}\n');
  await stopped;
  assert.match(received, /HTTP\/1\.1 200 OK/);
});

test("stopping that takes too long is given up with an error", async (t) => {
  const folder = await emptyFolder(t);
  const service = await serve({ ...optionsOf(folder), stopMs: 100 });
  await service.runtime.opened;
  const stop = service.runtime.stop.bind(service.runtime);
  service.runtime.stop = () => new Promise(() => {});
  await assert.rejects(service.stop(), { code: "TIDEMARK_STOP_TIMEOUT" });
  await stop();
});

test("a task that fails for good ends the service with its error", async (t) => {
  const folder = await emptyFolder(t);
  const first = await serve(optionsOf(folder));
  await first.runtime.opened;
  await first.stop();
  const [urlTotals, perMinute, tagged] = site["~app"].actors;
  const resized = { ...perMinute!, window: { ...perMinute!.window!, sizeMs: 1_000 } };
  const changed = { ...site, "~app": { ...site["~app"], actors: [urlTotals!, resized, tagged!] } };
  const file = join(folder, "views.ndjson");
  await writeFile(file, viewLines(["/a"]));
  const second = await serve(optionsOf(folder, [file]));
  await untilStates(second, { "/a": 1 });
  await second.stop();
  const third = await serve({ ...optionsOf(folder), app: changed });
  await assert.rejects(third.ended, { code: "TIDEMARK_TOPOLOGY_CHANGED" });
  await assert.rejects(fetch(third.url + "/livez"));
});
