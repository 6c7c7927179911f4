import assert from "node:assert/strict";

/** A metric as its page has it: its type, and its series by their sorted labels. */
interface Family {
  type: string;
  help: string;
  series: Map<string, number>;
}

/** Reads Prometheus' text format 0.0.4, and refuses what Prometheus would refuse. */
export function parse(page: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  assert.ok(page.endsWith("\n"), "the last line must end");
  for (const line of page.split("\n")) {
    const [, keyword, about, rest] = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][\w:]*) ?(.*)$/.exec(line) ?? [];
    if (keyword === "HELP") helps.set(about!, rest!);
    if (keyword === "TYPE") {
      assert.equal(families.has(about!), false, `${about} has two types`);
      assert.match(rest!, /^(counter|gauge|histogram)$/);
      const names = rest === "histogram" ? ["bucket", "sum", "count"].map((part) => `${about}_${part}`) : [about!];
      for (const name of names) families.set(name, { type: rest!, help: helps.get(about!) ?? "", series: new Map() });
    }
    if (keyword || line === "") continue;
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    const pairs = labels === "" ? [] : labels.split(/,(?=[a-zA-Z_]\w*=")/);
    for (const pair of pairs) assert.match(pair, /^[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"$/);
    const names = pairs.map((pair) => pair.split("=")[0]);
    assert.equal(new Set(names).size, names.length, `a label is twice in ${line}`);
    const { series } = families.get(name!) ?? assert.fail(`${name} has no type`);
    const key = pairs.sort().join(",");
    assert.equal(series.has(key), false, `${line} is there twice`);
    assert.ok(Number.isFinite(Number(value)), line);
    series.set(key, Number(value));
  }
  return families;
}

/** The sum of the series that have all these labels. */
export function sum(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const { series } = families.get(name) ?? assert.fail(`there is no ${name}`);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return [...series].filter(([key]) => wanted.every((pair) => key.split(",").includes(pair)))
    .reduce((total, [, value]) => total + value, 0);
}
