/** Sends the same event to the same topic twice. */
import { app } from "tidemark";
import { counts, minutes } from "./counts.ts";

export default app("duplicate-route", [minutes.to("counted", counts, ({ count }, { key }) => ({ key, count }))]);
