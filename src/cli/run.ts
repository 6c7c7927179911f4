import type { Command } from "./command.ts";
export const run: Command = {
  name: "run",
  summary: "run an app: nothing else needs to be started",
  operands: ["APP"],
  options: {},
  run: async () => {},
};
