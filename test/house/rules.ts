/**
 * The rules of the house, one function each. A rule looks at the whole repository and names every fault it finds, the
 * file first.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import { functionsOf, type Import, readSource, type Source } from "./source.ts";

/** A repository: its sources by path (`src/core/app.ts`), and the files its users may import. */
export interface House {
  readonly files: ReadonlyMap<string, Source>;
  readonly entries: ReadonlySet<string>;
  readonly root: string;
}

/** A rule: the faults found, empty when all is well. */
export type Rule = (house: House) => string[];

/** A file may import files of its own room and of rooms of lower rank. The longest path that fits names the room. */
const RANKS: Readonly<Record<string, number>> = {
  "src/core/": 0,
  "src/level/": 1,
  "src/log/": 2,
  "src/store/": 2,
  "src/level/mod.ts": 3, // the door to what stands on level
  "src/runtime/": 3,
  "src/mod.ts": 4,
  "src/http/": 4,
  "src/testing/": 4,
  "src/service/": 5,
  "src/cli/": 6,
};

/** Where `node:` may be imported. */
const ON_NODE = ["src/level/", "src/log/embedded/", "src/log/kafkajs/", "src/store/level/", "src/service/", "src/cli/"];
/** The tests that every adapter of a port passes. */
const SUITE = /^src\/(?:log|store)\/conformance(?:\.ts$|\/)/;
const SUITE_MODULES = new Set(["node:test", "node:assert", "node:assert/strict"]);

/** What would make core depend on anything but its input. To name the type of a promise is no harm. */
const IMPURE = new RegExp(
  [
    String.raw`\bDate\.now|\bMath\.random|\bconsole\.|\bperformance\b|\bcrypto\b|\bnew Date\(\)|\bfetch\(|\bimport\(`,
    String.raw`\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnew Promise\b|\bPromise\.|\bawait\b`,
    String.raw`\basync\b(?=\s*(?:\(|\*|function\b|[#\w$]+\s*(?:[(<]|=>)))`,
  ].join("|"),
  "g",
);
const XSTATE_HOME = "src/core/machine.ts";

const CODE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 70;
const VAGUE = new Set(["utils", "util", "types", "helpers", "helper", "misc", "common", "shared"]);

/** Reads a repository. */
export function readHouse(root: string): House {
  const files = new Map<string, Source>();
  for (const folder of ["src", "test", "actors", "scripts"]) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).sort()) {
      const path = `${folder}/${name.replaceAll("\\", "/")}`;
      if (path.endsWith(".ts")) files.set(path, readSource(readFileSync(join(root, path), "utf8")));
    }
  }
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, string> };
  return { files, root, entries: new Set(Object.values(manifest.exports).map((path) => join(path))) };
}

function sources(house: House): [path: string, source: Source][] {
  return [...house.files].filter(([path]) => path.startsWith("src/"));
}

/** The file an import leads to, if it is one of the repository. */
function targetOf(house: House, from: string, { specifier }: Import): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(from), specifier);
  const [name, ...rest] = specifier.split("/");
  if (name !== "tidemark") return undefined;
  return [...house.entries].find((entry) => entry === ["src", ...rest, "mod.ts"].join("/"));
}

/** All imports of a file that lead to files of the repository. */
function links(house: House, from: string, source: Source): { readonly to: string; readonly link: Import }[] {
  return source.imports.flatMap((link) => {
    const to = targetOf(house, from, link);
    return to === undefined ? [] : [{ to, link }];
  });
}

function roomOf(path: string): string | undefined {
  return Object.keys(RANKS).filter((room) => path.startsWith(room)).sort((a, b) => b.length - a.length)[0];
}

/** Imports point down. */
export const importsPointDown: Rule = (house) =>
  sources(house).flatMap(([path, source]) => {
    const room = roomOf(path);
    if (room === undefined) return [`${path}: belongs to no room of the house`];
    return links(house, path, source).flatMap(({ to }) => {
      const other = roomOf(to);
      if (other === undefined) return [`${path}: imports ${to}, which belongs to no room of the house`];
      const isDown = other === room || RANKS[other]! < RANKS[room]!;
      return isDown ? [] : [`${path}: imports ${to}, which is not below it`];
    });
  });

/** Ports stand between the runtime and adapters, adapters do not know each other, and suites are for tests. */
export const adaptersStandApart: Rule = (house) =>
  sources(house).flatMap(([path, source]) =>
    links(house, path, source).flatMap(({ to }) => {
      const reason = strangers(path, to);
      return reason === undefined ? [] : [`${path}: imports ${to}; ${reason}`];
    })
  );

/** Why one file must not know another although it stands below or beside it. */
function strangers(path: string, to: string): string | undefined {
  const port = /^src\/(log|store)\//.exec(to)?.[1];
  if (SUITE.test(to)) return SUITE.test(path) || path.startsWith("src/testing/") ? undefined : "suites are for tests";
  if (path.startsWith("src/runtime/")) {
    if (port && to !== `src/${port}/${port}.ts`) return `the runtime knows only src/${port}/${port}.ts`;
    if (to.startsWith("src/level/")) return "only adapters know level";
  }
  if (!port || !path.startsWith(`src/${port}/`)) return undefined;
  const isOwnOrAbove = dirname(to) === `src/${port}` || dirname(to) === dirname(path);
  return isOwnOrAbove ? undefined : "adapters are not known to the rest of their room";
}

/** Nothing inside of the house comes in through its front door. */
export const frontDoorIsForGuests: Rule = (house) =>
  sources(house).flatMap(([path, source]) =>
    links(house, path, source).flatMap(({ to, link }) =>
      to === "src/mod.ts" || !link.specifier.startsWith(".")
        ? [`${path}: imports "${link.specifier}"; inside of src import the file itself`]
        : []
    )
  );

/** No file needs itself, not even for a type. */
export const noCircles: Rule = (house) => {
  const faults: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      faults.push(`${path}: circle ${[...trail.slice(trail.indexOf(path)), path].join(" -> ")}`);
    }
    if (done.has(path)) return;
    done.add(path);
    const source = house.files.get(path);
    for (const { to } of source ? links(house, path, source) : []) visit(to, [...trail, path]);
  };
  for (const [path] of sources(house)) visit(path, []);
  return faults;
};

/** `node:` is imported only where a Node or Deno is certain. */
export const nodeOnlyWhereAllowed: Rule = (house) =>
  sources(house).flatMap(([path, source]) =>
    source.imports.flatMap(({ specifier }) => {
      if (!specifier.startsWith("node:") || ON_NODE.some((room) => path.startsWith(room))) return [];
      return SUITE.test(path) && SUITE_MODULES.has(specifier) ? [] : [`${path}: imports ${specifier}`];
    })
  );

/** Core computes: no clock, no random, nothing to wait for, and XState in one file only. */
export const coreIsPure: Rule = (house) =>
  sources(house).filter(([path]) => path.startsWith("src/core/")).flatMap(([path, source]) => {
    const impure = [...new Set(source.code.match(IMPURE))].map((word) =>
      `${path}: core must be pure, found \`${word}\``
    );
    const xstate = source.imports.some(({ specifier, isType }) => /^xstate\b/.test(specifier) && !isType);
    return xstate && path !== XSTATE_HOME ? [...impure, `${path}: imports xstate; only ${XSTATE_HOME} may`] : impure;
  });

/** Exports are named one by one. */
export const noExportStar: Rule = (house) =>
  sources(house).flatMap(([path, source]) =>
    /\bexport\s+(?:type\s+)?\*/.test(source.code) ? [`${path}: \`export *\`; name what you export`] : []
  );

/** Node 22 does not know it. */
export const noUsing: Rule = (house) =>
  [...house.files].flatMap(([path, { code }]) =>
    /(?:^|[;{}])\s*(?:await\s+)?using\s+[\w$]+\s*=/m.test(code)
      ? [`${path}: \`using\`; Node 22 does not know it, write try and finally`]
      : []
  );

/** A file has one idea. */
export const filesAreSmall: Rule = (house) =>
  sources(house).flatMap(([path, source]) => {
    const lines = source.uncommented.split("\n").filter((line) => line.trim() !== "").length;
    return lines > CODE_LINES_MAX ? [`${path}: ${lines} lines of code, at most ${CODE_LINES_MAX}`] : [];
  });

/** A function fits a screen. One that lists the cases of a suite is measured without them. */
export const functionsAreSmall: Rule = (house) =>
  sources(house).flatMap(([path, source]) =>
    functionsOf(source.code).flatMap(({ name, line, lines, inner }) => {
      const size = SUITE.test(path) ? lines - inner : lines;
      return size > FUNCTION_LINES_MAX
        ? [`${path}:${line}: ${name} has ${size} lines, at most ${FUNCTION_LINES_MAX}`]
        : [];
    })
  );

/** Names say what is inside, and nothing is inside of everything. */
export const namesSayWhatIsInside: Rule = (house) =>
  [...house.files.keys()].flatMap((path) => {
    const vague = path.split("/").find((part) => VAGUE.has(part.replace(/(?:\.test)?\.ts$/, "")));
    const isKebab = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.ts$/.test(basename(path));
    return [
      ...(vague ? [`${path}: "${vague}" says nothing`] : []),
      ...(isKebab ? [] : [`${path}: file names are kebab-case`]),
    ];
  });

/** Every file is reached from an entry, from the command line or as a suite that tests use. */
export const noDeadFiles: Rule = (house) => {
  const suites = [...house.files].filter(([path]) => path.startsWith("test/"))
    .flatMap(([path, source]) => links(house, path, source)).map(({ to }) => to).filter((to) => SUITE.test(to));
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const source = house.files.get(path);
    if (!source || reached.has(path)) return;
    reached.add(path);
    for (const { to } of links(house, path, source)) visit(to);
  };
  for (const path of [...house.entries, "src/cli/main.ts", ...suites]) visit(path);
  return sources(house).filter(([path]) => !reached.has(path)).map(([path]) => `${path}: nothing reaches it`);
};

/** Every exported name is imported somewhere, or offered by an entry. */
export const noDeadExports: Rule = (house) => {
  const used = new Map<string, Set<string>>();
  for (const [path, source] of house.files) {
    for (const { to, link } of links(house, path, source)) {
      used.set(to, new Set([...used.get(to) ?? [], ...link.names]));
    }
  }
  return sources(house).filter(([path]) => !house.entries.has(path)).flatMap(([path, source]) => {
    const names = used.get(path);
    if (names?.has("*")) return [];
    return source.exports.filter((name) => !names?.has(name)).map((name) => `${path}: nobody imports \`${name}\``);
  });
};

/**
 * `test/core/app.test.ts` tests `src/core/app.ts` or the folder `src/core/app`, `test/actors/orders.test.ts` tests
 * `actors/orders.ts`. `test/kafka` has what needs a real Kafka, `test/event-time` and
 * `test/dead-letters` whole apps.
 */
export const testsMirrorSources: Rule = (house) =>
  [...house.files.keys()].flatMap((path) => {
    const mirrored = /^test\/(?!kafka\/|event-time\/|dead-letters\/)(.+\/.+)\.test\.ts$/.exec(path)?.[1];
    if (mirrored === undefined) return [];
    const subject = mirrored.startsWith("actors/") ? mirrored : `src/${mirrored}`;
    const isThere = house.files.has(`${subject}.ts`) ||
      [...house.files.keys()].some((file) => file.startsWith(`${subject}/`));
    return isThere ? [] : [`${path}: there is no ${subject}.ts`];
  });

/** Every rule with its name in words. */
export const RULES: Readonly<Record<string, Rule>> = {
  "imports point down": importsPointDown,
  "adapters stand apart": adaptersStandApart,
  "nothing inside comes in through the front door": frontDoorIsForGuests,
  "no file needs itself": noCircles,
  "`node:` is imported only where it is allowed": nodeOnlyWhereAllowed,
  "core is pure": coreIsPure,
  "no `export *`": noExportStar,
  "no `using`": noUsing,
  "files are small": filesAreSmall,
  "functions are small": functionsAreSmall,
  "names say what is inside": namesSayWhatIsInside,
  "no dead files": noDeadFiles,
  "no dead exports": noDeadExports,
  "tests mirror sources": testsMirrorSources,
};
