import { keyFault } from "./key.ts";

/** Where a message goes: the actor of that name with that key. Plain JSON, so that it may stand in a context or an event. */
export interface Address {
  readonly actor: string;
  readonly key: string;
}

/** Whether a value is an address, also one that was JSON in between. */
export function isAddress(value: unknown): value is Address {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  const { actor, key } = value as Partial<Address>;
  return Object.keys(value).length === 2 && typeof actor === "string" && keyFault(key) === undefined;
}
