import type { AnyStateMachine, AnyStateNode } from "xstate";
import { isReserved } from "./fold.ts";
import { stateNodes } from "./state-nodes.ts";

/** A built-in action as it is configured, or what one came to at run time. */
interface Effect {
  readonly delay?: unknown;
  readonly id?: unknown;
  readonly to?: unknown;
}

/**
 * Why a machine's effect cannot be honoured and what to do instead, as the end of a sentence that begins with its actor.
 * Undefined for an effect that can be.
 * @param type The name of XState's built-in action, or of a custom one.
 */
export function effectRefusal(type: string, effect: Effect): string | undefined {
  switch (type) {
    case "xstate.assign":
    case "xstate.emit":
    case "xstate.enqueueActions":
    case "xstate.log":
      return undefined;
    case "xstate.raise":
      return effect.delay === undefined ? undefined : notYet("delays a raise", "timers");
    case "xstate.cancel":
      return notYet("cancels a delayed event", "timers");
    case "xstate.sendTo":
      if (typeof effect.to !== "string") return notYet("uses sendTo", "timers and messages between actors");
      return `sends to ${
        effect.to === "#_parent" ? "a parent" : `the child "${effect.to}"`
      }, and has none; emit the event instead and route it to the actor that shall have it`;
    case "xstate.spawnChild":
      return "spawns a child actor; let another actor do its work and send it events";
    case "xstate.stopChild":
      return "stops a child actor, and has none; remove the action";
    default:
      return `runs the custom action "${type}", and a fold has no side effects; emit an event instead and act on it where it arrives`;
  }
}

/** All that this version refuses and a later one will do, once there are event-time timers and messages to actors. */
function notYet(what: string, missing: string): string {
  return `${what}; ${missing} are not available yet in this version`;
}

/** A finding's place among the parts of a state, and what is wrong there. */
type Finding = readonly [place: string, problem: string];

/** Everything in a machine that cannot be folded durably, each as `state path, place: problem and way out`. */
export function refusals(machine: AnyStateMachine): string[] {
  return stateNodes(machine.root).flatMap((node) => {
    const path = [machine.id, ...node.path].join(".");
    const findings = [
      ...eventFindings(node),
      ...invokeFindings(node),
      ...timerFindings(node),
      ...actionFindings(node),
      ...guardFindings(node),
    ];
    return findings.map(([place, problem]) => `${path}, ${place}: ${problem}`);
  });
}

function eventFindings({ config }: AnyStateNode): Finding[] {
  const findings = Object.keys(config.on ?? {}).filter(isReserved).map((type): Finding => [
    `on "${type}"`,
    'listens to an event type that XState keeps for itself; choose one that does not begin with "xstate."',
  ]);
  if (config.route !== undefined) {
    findings.push(["route", 'is entered by "xstate.route"; use an event type of your own']);
  }
  return findings;
}

function invokeFindings({ invoke }: AnyStateNode): Finding[] {
  return invoke.flatMap((child): Finding[] => {
    const place = `invoke "${child.id}"`;
    const problem =
      "invokes a child actor; emit an event that asks for the work and listen to the event that brings its result";
    return [[place, problem], ...systemIdFinding(place, child.systemId)];
  });
}

function systemIdFinding(place: string, systemId: string | undefined): Finding[] {
  if (systemId === undefined) return [];
  return [[place, `has the systemId "${systemId}", and a fold has no actor system; remove it`]];
}

function timerFindings(node: AnyStateNode): Finding[] {
  return Object.keys(node.config.after ?? {}).flatMap((delay): Finding[] => {
    const place = `after ${delay}`;
    return [
      [place, notYet("uses after", "timers")],
      ...(Number.isNaN(Number(delay)) ? delayFindings(node, place, delay) : []),
    ];
  });
}

function delayFindings({ machine }: AnyStateNode, place: string, delay: unknown): Finding[] {
  if (typeof delay !== "string" || Object.hasOwn(machine.implementations.delays, delay)) return [];
  return [[place, `names the delay "${delay}", which has no implementation; add it to setup({ delays })`]];
}

/** What a node does, and where: its actions, and those of its transitions. */
function* actionsOf(node: AnyStateNode): Iterable<readonly [place: string, action: unknown]> {
  for (const action of node.entry) yield ["entry", action];
  for (const action of node.exit) yield ["exit", action];
  if (node.type === "compound") { for (const action of node.initial.actions) yield ["initial", action]; }
  for (const [place, transition] of transitionsOf(node)) {
    for (const action of transition.actions) yield [place, action];
  }
}

type Transition = NonNullable<AnyStateNode["always"]>[number];

function transitionsOf(node: AnyStateNode): (readonly [place: string, transition: Transition])[] {
  const named = [...node.transitions].flatMap(([descriptor, transitions]) =>
    transitions.map((transition) => [placeOf(descriptor), transition] as const)
  );
  return [...named, ...(node.always ?? []).map((transition) => ["always", transition] as const)];
}

function placeOf(descriptor: string): string {
  if (descriptor.startsWith("xstate.done.state.")) return "onDone";
  if (descriptor.startsWith("xstate.after.")) return `after ${descriptor.split(".")[2]}`;
  return `on "${descriptor}"`;
}

function actionFindings(node: AnyStateNode): Finding[] {
  return [...actionsOf(node)].flatMap(([place, action]) =>
    isTimerOfAfter(action) ? [] : oneActionFindings(node, place, action)
  );
}

/** XState turns `after` into such a raise on entry and such a cancel on exit. */
function isTimerOfAfter(action: unknown): boolean {
  const { id, sendId } = action as { readonly id?: unknown; readonly sendId?: unknown };
  return [id, sendId].some((name) => typeof name === "string" && name.startsWith("xstate.after."));
}

function oneActionFindings(node: AnyStateNode, place: string, action: unknown): Finding[] {
  const name = nameOf(action);
  const { actions } = node.machine.implementations;
  if (name !== undefined && !Object.hasOwn(actions, name)) {
    return [[place, `names the action "${name}", which has no implementation; add it to setup({ actions })`]];
  }
  const implementation = (name === undefined ? action : actions[name]) as Effect & {
    readonly name?: string;
    readonly type?: string;
    readonly systemId?: string;
  };
  const { delay, id, systemId } = implementation;
  const builtIn = "resolve" in implementation ? implementation.type : undefined;
  const refusal = effectRefusal(builtIn ?? name ?? (implementation.name || "(anonymous)"), implementation);
  const findings: Finding[] = refusal === undefined ? [] : [[place, refusal]];
  if (delay !== undefined && id === undefined) {
    findings.push([place, "delays an event that has no id, so that it could not be told apart; give it an id"]);
  }
  return [...findings, ...delayFindings(node, place, delay), ...systemIdFinding(place, systemId)];
}

/** The name of an action or guard that is referred to by name. */
function nameOf(reference: unknown): string | undefined {
  if (typeof reference === "function") return undefined;
  return typeof reference === "string" ? reference : (reference as { readonly type: string }).type;
}

function guardFindings(node: AnyStateNode): Finding[] {
  return transitionsOf(node).flatMap(([place, { guard }]) =>
    guard === undefined ? [] : missingGuards(node.machine, guard, []).map((problem): Finding => [place, problem])
  );
}

function missingGuards(machine: AnyStateMachine, guard: unknown, seen: readonly string[]): string[] {
  const name = nameOf(guard);
  if (name === undefined) {
    const { guards = [] } = guard as { readonly guards?: readonly unknown[] };
    return guards.flatMap((inner) => missingGuards(machine, inner, seen));
  }
  if (seen.includes(name)) return [`names the guard "${name}", which refers to itself; give it a condition`];
  const { guards } = machine.implementations;
  if (!Object.hasOwn(guards, name)) {
    return [`names the guard "${name}", which has no implementation; add it to setup({ guards })`];
  }
  return missingGuards(machine, guards[name], [...seen, name]);
}
