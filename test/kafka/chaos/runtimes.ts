/** The runtimes that instances are run on: this one, and the other. */
import process from "node:process";
import { findNode } from "../../../scripts/node.ts";
import { denoCommand } from "../../deno.ts";
import { inRepository } from "./fleet.ts";

/** Commands that run a file: this runtime's, the other's, and this one's again. */
export function runtimes(): string[][] {
  const deno = [...denoCommand(), "run", "-A", "--quiet", "--no-check", `--config=${inRepository("deno.json")}`];
  const node = [findNode().path, "--disable-warning=ExperimentalWarning"];
  return "deno" in process.versions ? [deno, node, deno] : [node, deno, node];
}
