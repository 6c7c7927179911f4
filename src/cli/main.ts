/** The binary: `tidemark COMMAND`. */
import process from "node:process";
import { tidemark } from "./tidemark.ts";

process.exit(await tidemark(process.argv.slice(2)));
