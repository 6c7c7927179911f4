import type { AnyStateMachine, AnyStateNode } from "xstate";
import { delayBounds, wholeDelay } from "./delay.ts";
import { isReserved } from "./fold.ts";
import { actionsOf, implementationOf, nameOf, stateNodes, transitionsOf } from "./state-nodes.ts";

/** A built-in action as it is configured. */
interface Configured {
  readonly delay?: unknown;
  readonly id?: unknown;
  readonly to?: unknown;
}

/**
 * Why a machine's effect cannot be honoured and what to do instead, as the end of a sentence that begins with its actor.
 * Undefined for an effect that can be.
 * @param type The name of XState's built-in action, or of a custom one.
 */
export function effectRefusal(type: string, effect: Configured): string | undefined {
  switch (type) {
    case "xstate.assign":
    case "xstate.emit":
    case "xstate.enqueueActions":
    case "xstate.log":
      return undefined;
    case "xstate.raise":
    case "xstate.cancel":
      return undefined;
    case "xstate.sendTo":
      if (typeof effect.to !== "string") return undefined;
      return `sends to ${
        effect.to === "#_parent" ? "a parent" : `the child "${effect.to}"`
      }, and has none; send to an address, or emit the event and route it to the actor that shall have it`;
    case "xstate.spawnChild":
      return "spawns a child actor; let another actor do its work and send it events";
    case "xstate.stopChild":
      return "stops a child actor, and has none; remove the action";
    default:
      return `runs the custom action "${type}", and a fold has no side effects; emit an event instead and act on it where it arrives`;
  }
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
  const delays = new Map(node.after.map(({ eventType, delay }) => [eventType, delay]));
  return [...delays.values()].flatMap((delay) => delayFindings(node, `after ${delay}`, delay));
}

function delayFindings({ machine }: AnyStateNode, place: string, delay: unknown): Finding[] {
  const { delays } = machine.implementations;
  const isNamed = typeof delay === "string";
  if (isNamed && !Object.hasOwn(delays, delay)) {
    return [[place, `names the delay "${delay}", which has no implementation; add it to setup({ delays })`]];
  }
  const value: unknown = isNamed ? delays[delay] : delay;
  if (value === undefined || typeof value === "function" || wholeDelay(value) !== undefined) return [];
  return [[place, `delays by ${value}${isNamed ? `, which is "${delay}"` : ""}; give ${delayBounds}`]];
}

function actionFindings(node: AnyStateNode): Finding[] {
  return [...actionsOf(node)].flatMap(([place, action]) =>
    isTimerOfAfter(node, action) ? [] : oneActionFindings(node, place, action)
  );
}

/** XState turns `after` into such a raise on entry and such a cancel on exit. */
function isTimerOfAfter(node: AnyStateNode, action: unknown): boolean {
  const { id, sendId = id } = action as { readonly id?: unknown; readonly sendId?: unknown };
  return node.after.some(({ eventType }) => eventType === sendId);
}

function oneActionFindings(node: AnyStateNode, place: string, action: unknown): Finding[] {
  const name = nameOf(action);
  const implementation = implementationOf(node, action) as
    | (Configured & { readonly name?: string; readonly type?: string; readonly systemId?: string })
    | undefined;
  if (implementation === undefined) {
    return [[place, `names the action "${name}", which has no implementation; add it to setup({ actions })`]];
  }
  const { delay, systemId } = implementation;
  const builtIn = "resolve" in implementation ? implementation.type : undefined;
  const refusal = effectRefusal(builtIn ?? name ?? (implementation.name || "(anonymous)"), implementation);
  const findings: Finding[] = refusal === undefined ? [] : [[place, refusal]];
  if (delay !== undefined) findings.push(...idFindings(place, implementation), ...delayFindings(node, place, delay));
  return [...findings, ...systemIdFinding(place, systemId)];
}

function idFindings(place: string, { id }: Configured): Finding[] {
  if (id === undefined) {
    return [[place, "delays an event that has no id, so that it could not be told apart; give it an id"]];
  }
  if (typeof id !== "string" || !isReserved(id)) return [];
  return [[place, `delays an event by the id "${id}"; choose one that is not empty and does not begin with "xstate."`]];
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
