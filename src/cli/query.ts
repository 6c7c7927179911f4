import { TidemarkError } from "../core/errors.ts";
import type { Call, Command } from "./command.ts";
import type { Output } from "./output.ts";
import { SOURCE_OPTIONS, withSource } from "./source/open.ts";
import type { Source } from "./source/source.ts";

/** `tidemark query`. */
export const query: Command = {
  name: "query",
  summary: "show the state of an actor: of one key, or of all",
  operands: ["ACTOR", "[KEY]"],
  options: {
    ...SOURCE_OPTIONS,
    app: { value: "FILE", help: "the app file, to read a data folder with; default the one it was last run with" },
  },
  notes: [
    "Prints JSON lines with key, window, state and context; of an actor with windows, the open ones.",
    "With a key, a running service tells the windows that closed of late too, marked as closed.",
    "A key that begins with a dash goes behind two: tidemark query ACTOR -- -key",
  ],
  async run(call: Call): Promise<void> {
    const [actor, key] = call.operands as [string, string | undefined];
    await withSource(call, async (source) => {
      if (key !== undefined) return await printKey(source, actor, key, call.out);
      for await (const line of source.states(actor)) await call.out.line(line);
    });
  },
};

async function printKey(source: Source, actor: string, key: string, out: Output): Promise<void> {
  const states = await source.statesOf(actor, key);
  if (states.length === 0) {
    const shown = JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
    throw new TidemarkError("TIDEMARK_KEY_UNKNOWN", `Cannot find key ${shown}: actor "${actor}" has no state for it`);
  }
  for (const state of states) await out.line(state);
}
