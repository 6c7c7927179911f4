/**
 * What every log has to do, as tests for `node:test`. An adapter passes all of it, or it is no adapter.
 *
 * Nothing here assumes offsets without gaps, a poll that finds everything at once, or a log of one's own: each case has
 * topics and ids with unique names, so the same suite runs against a cluster.
 */

import { after, before, describe, it } from "node:test";
import { Case, type LogHarness } from "./conformance/case.ts";
import { compactionCases } from "./conformance/compaction.ts";
import { fencingCases } from "./conformance/fencing.ts";
import { groupCases } from "./conformance/groups.ts";
import { interleavingCases } from "./conformance/interleaving.ts";
import { lifetimeCases } from "./conformance/lifetime.ts";
import { pollingCases } from "./conformance/polling.ts";
import { readingCases } from "./conformance/reading.ts";
import { recordCases } from "./conformance/records.ts";
import { topicCases } from "./conformance/topics.ts";
import { transactionCases } from "./conformance/transactions.ts";
import type { Log } from "./log.ts";

/**
 * Registers the suite for one adapter.
 * @param name how the adapter is called in test reports
 */
export function logConformance(name: string, harness: LogHarness): void {
  describe(`log conformance: ${name}`, () => {
    let log: Log;
    before(async () => {
      log = await harness.open();
    });
    after(async () => {
      await log.close();
      await harness.dispose();
    });
    const suites = [
      topicCases,
      readingCases,
      pollingCases,
      recordCases,
      transactionCases,
      fencingCases,
      compactionCases,
      lifetimeCases,
      groupCases,
      interleavingCases,
    ];
    for (const suite of suites) {
      suite((title, run) => it(title, () => run(new Case(log, harness))), harness);
    }
  });
}
