import { readFile } from "node:fs/promises";
import process from "node:process";
import { reasonOf } from "../core/errors.ts";
import { type Call, misuse, type Option } from "./command.ts";

/** The option that says where the token of a service is; never the token itself, which other users of a machine could see. */
export const TOKEN_OPTION: Readonly<Record<string, Option>> = {
  "token-file": { value: "FILE", help: "the file with the service's token, default what TIDEMARK_TOKEN holds" },
};

/** The token of a service, if one is given. What is wrong with it is told without it. @throws TIDEMARK_USAGE */
export async function tokenOf(call: Call): Promise<string | undefined> {
  const file = call.text("token-file");
  const token = file === undefined ? process.env["TIDEMARK_TOKEN"]?.trim() || undefined : await tokenIn(file);
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw misuse(`the token in ${file ?? "TIDEMARK_TOKEN"} has other characters than visible ones of ASCII`);
}

async function tokenIn(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error) => {
    throw misuse(`--token-file cannot be read: ${reasonOf(error)}`);
  });
  const token = text.trim();
  if (token === "") throw misuse(`--token-file "${file}" is empty`);
  return token;
}
