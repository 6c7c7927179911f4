/** The refusals that stores have in common, so that every adapter says them alike. */

import { TidemarkError } from "../core/errors.ts";

/** TIDEMARK_STORE_CLOSED. */
export function closed(name: string): TidemarkError {
  return new TidemarkError("TIDEMARK_STORE_CLOSED", `Cannot use the store of "${name}": it is closed. Open it again`);
}

/** TIDEMARK_STORE_LOCKED, for a store that is open here. @param doing what was tried: "open", "destroy" */
export function inUse(doing: string, name: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STORE_LOCKED",
    `Cannot ${doing} the store of "${name}": it is open already. Close it first`,
    { retry: true },
  );
}
