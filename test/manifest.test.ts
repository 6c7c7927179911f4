import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const text = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const json = <T>(path: string): T => JSON.parse(text(path)) as T;

const npm = json<Manifest>("package.json");
const deno = json<Manifest & { readonly imports: Readonly<Record<string, string>> }>("deno.json");
const direct = { ...npm.dependencies, ...npm.devDependencies };

test("both manifests offer the same entries, and each entry is there", () => {
  assert.deepEqual(deno.exports, npm.exports);
  for (const path of Object.values(npm.exports)) assert.ok(existsSync(join(ROOT, path)), `${path} is missing`);
});

test("inside of the repository the entries have the names that users import", () => {
  const entries = Object.entries(deno.imports).filter(([name]) => /^tidemark(?:\/|$)/.test(name));
  assert.deepEqual(entries, Object.entries(npm.exports).map(([name, path]) => [name.replace(".", "tidemark"), path]));
});

test("version and licence are the same everywhere", () => {
  const lock = json<{ version: string; packages: Record<string, Manifest> }>("package-lock.json");
  assert.equal(deno.version, npm.version);
  assert.equal(lock.version, npm.version);
  assert.equal(lock.packages[""]?.version, npm.version);
  assert.deepEqual([npm.license, deno.license], ["MIT", "MIT"]);
  assert.match(text("LICENSE"), /^MIT License\n/);
});

test("every dependency is pinned, and both lock files hold just that version", () => {
  const npmLock = json<{ packages: Record<string, Manifest> }>("package-lock.json").packages;
  const denoLock = json<{
    specifiers: Record<string, string>;
    workspace: { packageJson: { dependencies: string[] } };
  }>("deno.lock");
  for (const [name, version] of Object.entries(direct)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
    assert.equal(npmLock[`node_modules/${name}`]?.version, version, `package-lock.json: ${name}`);
    assert.equal(denoLock.specifiers[`npm:${name}@${version}`]?.split("_")[0], version, `deno.lock: ${name}`);
  }
  assert.deepEqual(npmLock[""]?.dependencies, npm.dependencies);
  assert.deepEqual(npmLock[""]?.devDependencies, npm.devDependencies);
  const specifiers = Object.entries(direct).map(([name, version]) => `npm:${name}@${version}`);
  assert.deepEqual(denoLock.workspace.packageJson.dependencies.toSorted(), specifiers.toSorted());
});

/** All files that belong to the repository: those that `.gitignore` does not leave out. */
function ownFiles(): string[] {
  const ignored = new Set([".git", ...text(".gitignore").split("\n").map((line) => line.replace(/\/$/, ""))]);
  const walk = (folder: string): string[] =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(({ name }) => !ignored.has(name)).flatMap(
      (entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : [];
      },
    );
  return walk("");
}

const REGISTRY =
  /\b(?:registry\.(?:npmjs|yarnpkg)|npm\.jsr|repo1?\.maven|proxy\.golang|crates\.io|pypi\.org|deb\.debian)\b/;
const MACHINE = /(?<![\w.\-/])\/(?:work|root|home|Users)\/|\/tmp\/tm\b/;

test("no file names a registry or a place of one machine", () => {
  const files = ownFiles();
  assert.ok(files.includes("package.json") && files.includes(join("src", "core", "errors.ts")));
  const faults = files.flatMap((path) =>
    text(path).split("\n").flatMap((line, index) =>
      [REGISTRY, MACHINE].flatMap((pattern) => {
        const found = pattern.exec(line)?.[0];
        return found === undefined ? [] : [`${path}:${index + 1}: ${found}`];
      })
    )
  );
  assert.deepEqual(faults, []);
});

test("the patterns find what they are for", () => {
  assert.match(["https://registry", "npmjs", "org/level"].join("."), REGISTRY);
  for (const folder of ["work", "root", "home", "Users"]) assert.match(`"${["", folder, "main"].join("/")}"`, MACHINE);
  assert.doesNotMatch("https://example.com/work/ and src/root/", MACHINE);
});
