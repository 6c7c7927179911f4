import type { Explanation } from "../runtime/explain/explanation.ts";
import type { Call, Command } from "./command.ts";
import { Client, DEFAULT_URL } from "./source/client.ts";
import { TOKEN_OPTION, tokenOf } from "./token.ts";

/** `tidemark explain`. */
export const explain: Command = {
  name: "explain",
  summary: "say what holds event time, or what a key's windows, timers and records wait for",
  operands: ["[ACTOR]", "[KEY]"],
  options: {
    ...TOKEN_OPTION,
    url: { value: "URL", help: `of a running service, default ${DEFAULT_URL}; any instance of an app answers for all` },
    json: { help: "as JSON, with all figures" },
  },
  notes: ["A key that begins with a dash goes behind two: tidemark explain ACTOR -- -key"],
  async run(call: Call): Promise<void> {
    const [actor, key] = call.operands;
    const client = new Client(call.text("url") ?? DEFAULT_URL, await tokenOf(call));
    const explanation = await client.json("/explain", { actor, key }) as Explanation;
    if (call.isOn("json")) return await call.out.line(JSON.stringify(explanation));
    for (const line of explanation.sentences) await call.out.line(line);
  },
};
