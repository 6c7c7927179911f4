/**
 * What every store has to do, as tests for `node:test`. An adapter passes all of it, or it is no adapter.
 */

import { after, describe, it } from "node:test";
import { Case, type StoreHarness } from "./conformance/case.ts";
import { lifetimeCases } from "./conformance/lifetime.ts";
import { modelCases } from "./conformance/model.ts";
import { rangeCases } from "./conformance/ranges.ts";
import { writeCases } from "./conformance/writes.ts";

/**
 * Registers the suite for one adapter.
 * @param name how the adapter is called in test reports
 */
export function storeConformance(name: string, harness: StoreHarness): void {
  describe(`store conformance: ${name}`, () => {
    after(() => harness.dispose());
    for (const suite of [rangeCases, writeCases, lifetimeCases, modelCases]) {
      suite((title, run) =>
        it(title, async () => {
          const c = new Case(await harness.open(), harness);
          try {
            await run(c);
          } finally {
            await c.close();
          }
        }), harness);
    }
  });
}
