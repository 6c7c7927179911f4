import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from "xstate";
import { reasonOf, TidemarkError } from "./errors.ts";
import { stateNodes } from "./state-nodes.ts";

/** What not every snapshot has. */
interface Extra {
  /** The states that history states remember: ids by id. */
  readonly history?: Readonly<Record<string, readonly string[]>>;
  /**
   * The order in which the active states were entered, as positions in their template. XState takes the eventless
   * transitions of parallel states in this order, so an actor that was restored without it could emit in another one.
   */
  readonly order?: readonly number[];
  /** The output of a machine that is done, if it has one. */
  readonly done?: readonly [output?: unknown];
}

/** A machine's snapshot as JSON. */
type Encoded = readonly [value: unknown, context: unknown, extra?: Extra];

/** More templates than this are not kept; each is made again in about 10 µs. */
const maxTemplates = 1000;

/** Turns a machine's snapshots into compact JSON and back. */
interface Codec {
  encode(snapshot: AnyMachineSnapshot): unknown;
  /** @throws TIDEMARK_SNAPSHOT_UNREADABLE when the machine does not have that state */
  decode(json: unknown): AnyMachineSnapshot;
}

/** The codec of a machine. Decoding copies the rest of a snapshot from a template that is made once per state value. */
export function codec(actor: string, machine: AnyStateMachine): Codec {
  const all = stateNodes(machine.root);
  const byId = new Map(all.map((node) => [node.id, node]));
  const hasParallel = all.some((node) => node.type === "parallel");
  const hasHistory = all.some((node) => node.type === "history");
  const templates = new Map<string, AnyMachineSnapshot>();

  function template(value: unknown): AnyMachineSnapshot {
    const name = JSON.stringify(value);
    const known = templates.get(name);
    if (known !== undefined) return known;
    const made = machine.resolveState({ value: value as string, context: {} });
    if (JSON.stringify(made.value) !== name) {
      throw new Error(`The machine has ${JSON.stringify(made.value)} in its place`);
    }
    if (templates.size >= maxTemplates) templates.clear();
    templates.set(name, made);
    return made;
  }

  function nodeOf(id: string): AnyStateNode {
    const node = byId.get(id);
    if (node === undefined) throw new Error(`The machine has no state "${id}"`);
    return node;
  }

  function restore([value, context, { history, order, done } = {}]: Encoded): AnyMachineSnapshot {
    const base = template(value);
    if (typeof context !== "object" || context === null) throw new Error("Its context is not an object");
    if ((base.status === "done") !== (done !== undefined)) {
      throw new Error(done ? "The state is not final any more" : "The state has become final");
    }
    const restored = { ...base, context, output: done?.[0] };
    if (history !== undefined) restored.historyValue = revived(history, nodeOf);
    if (order !== undefined) restored._nodes = inOrder(base._nodes, order);
    return restored as AnyMachineSnapshot;
  }

  return {
    encode(snapshot): Encoded {
      const isDone = snapshot.status === "done";
      const history = hasHistory ? remembered(snapshot.historyValue) : undefined;
      const order = hasParallel && !isDone ? orderOf(snapshot._nodes, template(snapshot.value)._nodes) : undefined;
      if (!isDone && history === undefined && order === undefined) return [snapshot.value, snapshot.context];
      const { output } = snapshot;
      return [snapshot.value, snapshot.context, {
        ...(history && { history }),
        ...(order && { order }),
        ...(isDone && { done: output === undefined ? [] : [output] }),
      }];
    },
    decode(json) {
      try {
        if (!Array.isArray(json) || json.length > 3) throw new Error("It is not a snapshot of a machine");
        return restore(json as unknown as Encoded);
      } catch (cause) {
        const state = JSON.stringify(Array.isArray(json) ? json[0] : json)?.slice(0, 200);
        throw new TidemarkError(
          "TIDEMARK_SNAPSHOT_UNREADABLE",
          `Cannot read a snapshot of actor "${actor}" in state ${state}: ${
            reasonOf(cause)
          }; bring the state back or migrate`,
          { cause },
        );
      }
    },
  };
}

function remembered(history: AnyMachineSnapshot["historyValue"]): Extra["history"] {
  const entries = Object.entries(history).map(([id, nodes]) => [id, nodes.map((node) => node.id)] as const);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function revived(
  history: NonNullable<Extra["history"]>,
  nodeOf: (id: string) => AnyStateNode,
): AnyMachineSnapshot["historyValue"] {
  return Object.fromEntries(Object.entries(history).map(([id, ids]) => [nodeOf(id).id, ids.map(nodeOf)]));
}

function orderOf(nodes: readonly AnyStateNode[], template: readonly AnyStateNode[]): readonly number[] | undefined {
  if (nodes.every((node, position) => node === template[position])) return undefined;
  return nodes.map((node) => template.indexOf(node));
}

function inOrder(template: readonly AnyStateNode[], order: readonly number[]): AnyStateNode[] {
  const nodes = order.flatMap((position) => template[position] ?? []);
  if (order.length !== template.length || new Set(nodes).size !== template.length) {
    throw new Error(`The order ${JSON.stringify(order)} is not one of its ${template.length} active states`);
  }
  return nodes;
}
