/** What the tests of the service run as a process of its own: `process.ts WHAT FOLDER [FILE]`. Tells in lines what happens. */
import process from "node:process";
import { onStopSignal, serve } from "../../src/service/mod.ts";
import { levelStores } from "../../src/store/level/store.ts";
import { optionsOf } from "./views.ts";

const [what, folder = "", file] = process.argv.slice(2);
const say = (line: string): void => console.log(line);

/** Gives up the rights of root, to whom no folder is read-only. */
function becomeNobody(): void {
  if (process.getuid?.() !== 0) return;
  process.setgid!(65_534);
  process.setuid!(65_534);
}

/** Serves until a signal or an error, and tells which. */
async function serveHere(): Promise<void> {
  try {
    const service = await serve(optionsOf(folder, file === undefined ? [] : [file]));
    const forget = onStopSignal((signal) => {
      say(signal);
      service.stop().catch(() => {});
    });
    say("serving");
    await service.ended.finally(forget);
    say("ended");
  } catch (error) {
    say(`error ${(error as { code?: string }).code} ${(error as Error).message}`);
  }
}

if (what === "serve") await serveHere();
if (what === "serve-as-nobody") {
  becomeNobody();
  await serveHere();
}
if (what === "hold-store") {
  await levelStores(folder).open(file!);
  say("holding");
  setInterval(() => {}, 60_000);
}
if (what === "never-stop") {
  onStopSignal(say);
  say("waiting");
  setInterval(() => {}, 60_000);
}
