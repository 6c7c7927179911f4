import type { Call, Command } from "./command.ts";
import { flowchart } from "./drawing/flowchart.ts";
import { outline } from "./drawing/outline.ts";
import { loadModule } from "./module.ts";
import { topology as cut } from "../core/topology.ts";

/** `tidemark topology`. */
export const topology: Command = {
  name: "topology",
  summary: "show an app's topics, tasks, actors and windows",
  operands: ["APP"],
  options: {
    mermaid: { help: "as a Mermaid flowchart" },
    partitions: { value: "N", help: "partitions of each of the app's topics, default 1" },
  },
  async run(call: Call): Promise<void> {
    const partitions = call.count("partitions", 1) ?? 1;
    const { app } = await loadModule(call.operands[0]!);
    const definition = app["~app"];
    const groups = cut(definition, new Map([...definition.topics.keys()].map((name) => [name, partitions])));
    const draw = call.isOn("mermaid") ? flowchart : outline;
    for (const line of draw(definition, groups)) await call.out.line(line);
  },
};
