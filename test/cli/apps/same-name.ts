/** Two actors of one name. */
import { app } from "tidemark";
import { minutes, totals } from "./counts.ts";

export default app("same-name", [totals, minutes, totals]);
