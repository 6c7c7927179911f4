import type { ActorRefFromLogic, AnyActorLogic, AnyActorRef } from "xstate";
import type { Actor } from "./actor.ts";
import type { Address } from "./address.ts";
import { TidemarkError } from "./errors.ts";
import { keyFault } from "./key.ts";
import { checkedName } from "./name.ts";

/** A name, or anything that has one. */
type Named = string | { readonly name: string };

/** What XState takes an address for: a reference to an actor of that logic, so that it checks the event. */
// deno-lint-ignore no-explicit-any -- any actor of that logic
type Target<A> = A extends Actor<infer L extends AnyActorLogic, any, any, any> ? ActorRefFromLogic<L> : AnyActorRef;

/**
 * The target of a message from actor to actor, for `sendTo` in a machine:
 * `sendTo(({ context }) => address(user, context.userId), { type: "greet" })`. The event is checked against the machine of
 * the actor that is given; for an actor that is known by its name alone, and for two that send to each other, give the
 * name as text. The target must be an actor of the same app with `inbox: true`.
 *
 * It is frozen, plain and nothing else than an address: it has none of the methods of XState's references.
 * @throws TIDEMARK_NAME_INVALID, TIDEMARK_KEY_INVALID
 */
export function address<A extends Named>(actor: A, key: string): Target<A> {
  const name = checkedName("actor", typeof actor === "string" ? actor : actor?.name);
  const fault = keyFault(key);
  if (fault !== undefined) {
    throw new TidemarkError("TIDEMARK_KEY_INVALID", `Cannot address an actor "${name}": ${fault}`);
  }
  const made: Address = Object.freeze({ actor: name, key });
  return made as unknown as Target<A>;
}
