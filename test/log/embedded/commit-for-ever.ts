import process from "node:process";
import { writeSync } from "node:fs";
import { commitFrom, openForChild } from "./committing.ts";

const { log, count } = await openForChild(process.argv[2]!);
await commitFrom(log, count, (committed) => writeSync(1, `${committed}\n`));
