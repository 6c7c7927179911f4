import type { AnyStateNode } from "xstate";

/** A state node and all below it, in document order. */
export function stateNodes(node: AnyStateNode): AnyStateNode[] {
  return [node, ...children(node).flatMap(stateNodes)];
}

/**
 * Whether states can be active together: the root, with each state its parent, one child of each compound state and all
 * children of each parallel one. XState breaks this in two cases: by a transition with several targets in one region,
 * and by one out of a state and into that state's own history.
 */
export function areConsistent(active: readonly AnyStateNode[]): boolean {
  const isActive = new Set(active);
  return active.length > 0 && active.every((node) => {
    if (node.parent !== undefined && !isActive.has(node.parent)) return false;
    const regions = children(node).filter(({ type }) => type !== "history");
    const count = regions.filter((region) => isActive.has(region)).length;
    if (node.type === "compound") return count === 1;
    return node.type !== "parallel" || count === regions.length;
  });
}

/** Whether a machine has transitions by which {@link areConsistent} may become false. */
export function mayBreak(nodes: readonly AnyStateNode[]): boolean {
  return nodes.some((node) =>
    node.type === "history" ||
    [...node.transitions.values(), node.always ?? []].flat().some(({ target }) => (target?.length ?? 0) > 1)
  );
}

function children(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states) as AnyStateNode[];
}
