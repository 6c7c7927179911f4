import type { GroupMember } from "../log/log.ts";

/**
 * Shares tasks out among instances: everybody gets as many as anybody else, or one more, and keeps what it had as far as that
 * allows. A task is a unit: all its topics' partitions, and its store, go with it.
 * @param tasks in an order in which any run of them is a fair mixture
 */
export function assign(tasks: readonly string[], members: readonly GroupMember[]): Map<string, readonly string[]> {
  const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const free = new Set(tasks);
  const least = Math.floor(tasks.length / sorted.length);
  let larger = tasks.length % sorted.length;
  const shares = new Map<string, string[]>();
  // Those that have most come first: they are the ones that may keep one more.
  for (const { id, owned } of sorted.toSorted((a, b) => b.owned.length - a.owned.length)) {
    const had = new Set(owned);
    const kept = tasks.filter((task) => free.has(task) && had.has(task));
    const most = kept.length > least && larger > 0 ? least + 1 : least;
    if (most > least) larger--;
    const share = kept.slice(0, most);
    for (const task of share) free.delete(task);
    shares.set(id, share);
  }
  // In runs, so that everybody gets the same mixture.
  const rest = [...free];
  for (const { id } of sorted) {
    const share = shares.get(id)!;
    const isLarger = share.length > least || larger-- > 0;
    share.push(...rest.splice(0, least + (isLarger ? 1 : 0) - share.length));
  }
  return shares;
}
