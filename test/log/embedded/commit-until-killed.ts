import process from "node:process";
import { commitFrom, openForChild } from "./committing.ts";

const { log, count } = await openForChild(process.argv[2]!);
await commitFrom(log, count, (committed) => process.stdout.write(`${committed}\n`));
