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

/** What a node does, and where: its actions, and those of its transitions. */
export function* actionsOf(node: AnyStateNode): Iterable<readonly [place: string, action: unknown]> {
  for (const action of node.entry) yield ["entry", action];
  for (const action of node.exit) yield ["exit", action];
  if (node.type === "compound") { for (const action of node.initial.actions) yield ["initial", action]; }
  for (const [place, transition] of transitionsOf(node)) {
    for (const action of transition.actions) yield [place, action];
  }
}

type Transition = NonNullable<AnyStateNode["always"]>[number];

/** The transitions out of a node, and where it has them. */
export function transitionsOf(node: AnyStateNode): (readonly [place: string, transition: Transition])[] {
  const named = [...node.transitions].flatMap(([descriptor, transitions]) =>
    transitions.map((transition) => [placeOf(node, descriptor), transition] as const)
  );
  return [...named, ...(node.always ?? []).map((transition) => ["always", transition] as const)];
}

function placeOf(node: AnyStateNode, descriptor: string): string {
  if (descriptor.startsWith("xstate.done.state.")) return "onDone";
  const timer = node.after.find(({ eventType }) => eventType === descriptor);
  return timer === undefined ? `on "${descriptor}"` : `after ${timer.delay}`;
}

/** The name of an action or guard that is referred to by name. */
export function nameOf(reference: unknown): string | undefined {
  if (typeof reference === "function") return undefined;
  return typeof reference === "string" ? reference : (reference as { readonly type: string }).type;
}

/** What an action comes to: itself, or what its name stands for; undefined for a name without an implementation. */
export function implementationOf({ machine }: AnyStateNode, action: unknown): unknown {
  const name = nameOf(action);
  const { actions } = machine.implementations;
  return name === undefined ? action : Object.hasOwn(actions, name) ? actions[name] : undefined;
}

function children(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states) as AnyStateNode[];
}
