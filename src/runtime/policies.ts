import { Policies } from "../core/policy.ts";
import type { Settings } from "./options.ts";

/** What a task does with records that cannot be processed. @param task its name */
export function policiesOf({ app, onNotice }: Settings, task: string): Policies {
  return new Policies(app["~app"].policyOf, (message) => {
    onNotice({ level: "warn", code: "TIDEMARK_POLICY_UNUSABLE", task, message });
  });
}
