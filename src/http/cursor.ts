import { fromBase64, toBase64 } from "../core/base64.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Place } from "../runtime/page-rows.ts";

/** Where a page of an actor's states begins: in a partition, at a place, or at its begin. */
export interface PageStart {
  readonly partition: number;
  readonly from?: Place;
}

/** A start as text that clients hand back as it is. It names nothing but keys, so it holds on any instance at any time. */
export function cursorTo(actor: string, { partition, from }: PageStart): string {
  const place = from ? [from.row, ...(from.end === undefined ? [] : [from.end])] : [];
  const bytes = new TextEncoder().encode(JSON.stringify([actor, partition, ...place]));
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The start that a cursor stands for. @throws TIDEMARK_REQUEST_INVALID when it is none of this actor's */
export function startOf(cursor: string, actor: string, partitions: number): PageStart {
  const [of, partition, row, end] = parsed(cursor);
  const isStart = of === actor && Number.isInteger(partition) && Number(partition) >= 0 &&
    Number(partition) < partitions;
  if (isStart && row === undefined) return { partition: Number(partition) };
  const isPlace = typeof row === "string" && row.isWellFormed() && (end === undefined || Number.isSafeInteger(end));
  if (isStart && isPlace) {
    return { partition: Number(partition), from: { row, ...(end !== undefined && { end: Number(end) }) } };
  }
  throw new TidemarkError(
    "TIDEMARK_REQUEST_INVALID",
    "Cannot use the cursor: give the one of the page before, of the same actor, as it came",
  );
}

function parsed(cursor: string): unknown[] {
  try {
    const bytes = fromBase64(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    const found: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}
