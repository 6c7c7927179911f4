import type { ReadOptions } from "../runtime/read.ts";
import type { Call, Command } from "./command.ts";
import { SOURCE_OPTIONS, withSource } from "./source/open.ts";

/** `tidemark read`. */
export const read: Command = {
  name: "read",
  summary: "show the records of a topic",
  operands: ["TOPIC"],
  options: {
    partition: { value: "P", help: "only this partition, default all" },
    from: { value: "OFFSET", help: "from this offset on, default the first that is held" },
    limit: { value: "N", help: "at most so many records, default all that are there now" },
    ...SOURCE_OPTIONS,
  },
  notes: ["Prints JSON lines with topic, partition, offset, timestamp, key, value and headers."],
  async run(call: Call): Promise<void> {
    const options = optionsOf(call);
    await withSource(call, async (source) => {
      for await (const line of source.records(call.operands[0]!, options)) await call.out.line(line);
    });
  },
};

function optionsOf(call: Call): ReadOptions {
  const partition = call.count("partition", 0);
  const from = call.count("from", 0);
  const limit = call.count("limit", 0);
  return {
    ...(partition !== undefined && { partition }),
    ...(from !== undefined && { from }),
    ...(limit !== undefined && { limit }),
  };
}
