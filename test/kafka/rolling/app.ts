/** The counting app of the group's tests, as a file that `tidemark run` can start. */
import process from "node:process";
import { counting } from "../group/instances.ts";

export default counting(process.env["ROLLING_APP"]!);
