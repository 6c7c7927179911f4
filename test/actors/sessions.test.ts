import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { testDriver } from "tidemark/testing";
import app, { input, visitors, visits } from "../../actors/sessions.ts";
import { pageViews } from "../../actors/traffic-monitor.ts";
import { logLines, logViews } from "../traffic.ts";

const MINUTE = 60_000;
const T = Date.UTC(2015, 4, 17, 10);

/** The visits of a user with pages at these times, in ms after T, as `entry pages pauses`. */
function visitsOf(...times: readonly number[]): string[] {
  const t = testDriver(app);
  for (const time of times) t.send(pageViews, { url: `/${time}`, userId: "ann", viewTime: T + time });
  t.finish();
  deepEqual(t.deadLetters(), []);
  return t.sent(visits).map(({ user, entry, pages, pauses }) => `${user} ${entry} ${pages} ${pauses}`);
}

test("a visitor is away after five minutes and gone after thirty, to the millisecond", () => {
  const t = testDriver(app);
  t.send(pageViews, { url: "/", userId: "ann", viewTime: T });
  const stateAt = (time: number) => {
    t.advanceTo(T + time);
    return t.state(visitors, "ann")?.state;
  };
  equal(stateAt(0), undefined);
  equal(stateAt(1), "reading");
  equal(stateAt(5 * MINUTE - 1), "reading");
  equal(stateAt(5 * MINUTE), "away");
  equal(stateAt(30 * MINUTE - 1), "away");
  deepEqual(t.sent(visits), []);
  equal(stateAt(30 * MINUTE), undefined);
  deepEqual(t.sent(visits), [{ user: "ann", entry: "/", pages: 1, pauses: 0 }]);
});

test("a page within five minutes goes on, after that it ends a pause, after thirty it begins a visit", () => {
  deepEqual(visitsOf(0, 5 * MINUTE - 1), ["ann /0 2 0"]);
  deepEqual(visitsOf(0, 5 * MINUTE), ["ann /0 2 1"]);
  deepEqual(visitsOf(0, 30 * MINUTE - 1), ["ann /0 2 1"]);
  deepEqual(visitsOf(0, 30 * MINUTE), ["ann /0 1 0", `ann /${30 * MINUTE} 1 0`]);
});

test("every page begins the five minutes anew, also after a pause", () => {
  deepEqual(visitsOf(0, 4 * MINUTE, 8 * MINUTE, 12 * MINUTE), ["ann /0 4 0"]);
  // Paused twice; half an hour after the second page, and not after the first, the visit is over.
  deepEqual(visitsOf(0, 29 * MINUTE, 58 * MINUTE, 88 * MINUTE), ["ann /0 3 2", `ann /${88 * MINUTE} 1 0`]);
});

test("pages count in the order of their times, and images are no pages", () => {
  deepEqual(visitsOf(50_000, 20_000, 30_000), ["ann /20000 3 0"]);
  const t = testDriver(app);
  for (const [index, url] of ["/logo.png", "/", "/style.css", "/a.png.html"].entries()) {
    t.send(pageViews, { url, userId: "ann", viewTime: T + index });
  }
  t.finish();
  deepEqual(t.sent(visits), [{ user: "ann", entry: "/", pages: 2, pauses: 0 }]);
});

/** The visits in the real log, worked out from the gaps between the pages of each user. */
function visitsInLog(): string[] {
  const pages = logViews().filter(({ url }) => !/[.](css|gif|ico|jpg|jpeg|js|png)$/.test(url));
  return [...Map.groupBy(pages, ({ userId }) => userId)].flatMap(([user, own]) => {
    const found: { entry: string; pages: number; pauses: number }[] = [];
    let last = -Infinity;
    for (const { url, viewTime } of own.toSorted((a, b) => a.viewTime - b.viewTime)) {
      const gap = viewTime - last;
      last = viewTime;
      if (gap >= 30 * MINUTE) found.push({ entry: url, pages: 0, pauses: 0 });
      const visit = found.at(-1)!;
      visit.pages++;
      if (gap >= 5 * MINUTE && gap < 30 * MINUTE) visit.pauses++;
    }
    return found.map(({ entry, pages, pauses }) => `${user} ${entry} ${pages} ${pauses}`);
  }).sort();
}

test("the visits of the real access log are those that follow from the gaps between pages", () => {
  const t = testDriver(app, { development: false });
  let unreadable = 0;
  for (const line of logLines()) {
    try {
      for (const { topic, value } of input(line)) t.send(topic, value);
    } catch {
      unreadable++;
    }
  }
  t.finish();
  equal(unreadable, 1);
  equal(t.late(visitors), 0);
  deepEqual(
    t.sent(visits).map(({ user, entry, pages, pauses }) => `${user} ${entry} ${pages} ${pauses}`).sort(),
    visitsInLog(),
  );
});
