import type { InputFigures } from "../display.ts";
import type { Figures } from "../figures.ts";
import type { Top } from "./ranking.ts";

/** All that the live view shows. */
export interface Scene {
  readonly app: string;
  /** Where the service answers; undefined when it does not listen. */
  readonly url: string | undefined;
  readonly dataDir: string;
  readonly figures: Figures;
  readonly recordsPerSecond: number;
  readonly inputs: readonly InputFigures[];
  readonly top: Top | undefined;
}

const BAR_WIDTH = 24;

/** The live view as lines of at most `width` characters. Keys and names come out harmless, whatever is in them. */
export function view(scene: Scene, width: number): string[] {
  const { app, url, dataDir, figures, recordsPerSecond, inputs, top } = scene;
  const { records, windowsClosed, deadLetters, late, written, eventTime } = figures;
  const lines = [
    [`tidemark ${app}`, ...(url === undefined ? [] : [url]), `data in ${dataDir}`].join("   "),
    "",
    ...inputs.map(inputLine),
    row("records", whole(records), `${whole(recordsPerSecond)}/s`),
    row("event time", eventTime === undefined ? "-" : timeText(eventTime)),
    row("windows closed", whole(windowsClosed)),
    row("dead letters", whole(deadLetters)),
    row("late", whole(late)),
    ...(written === undefined ? [] : [row("written", whole(written))]),
    ...(top ? topLines(top, width) : []),
  ];
  return lines.map((line) => fit(printable(line), width));
}

function row(name: string, value: string, extra = ""): string {
  return `${name.padEnd(16)}${value.padEnd(14)}${extra}`.trimEnd();
}

function inputLine({ name, lines, share }: InputFigures): string {
  const done = share === undefined ? "" : `${Math.floor(share * 100)} % of `;
  return row("lines read", whole(lines), `${done}${name}`);
}

function topLines({ actor, field, rows }: Top, width: number): string[] {
  const most = Math.max(1, ...rows.map(({ number }) => number));
  const numbers = rows.map(({ number }) => whole(number));
  const numberWidth = Math.max(...numbers.map((text) => text.length));
  const keyWidth = Math.max(8, Math.min(48, width - numberWidth - BAR_WIDTH - 4));
  return [
    "",
    `top of ${actor}${field === undefined ? "" : `, ${field}`}`,
    ...rows.map(({ key, number }, index) => {
      const bar = "█".repeat(Math.max(0, Math.round((number / most) * BAR_WIDTH)));
      const shown = fit(printable(key), keyWidth);
      return `  ${shown}${" ".repeat(keyWidth - [...shown].length)}${numbers[index]!.padStart(numberWidth + 1)} ${bar}`;
    }),
  ];
}

/** `1234567` as `1,234,567`. */
function whole(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

/** A time as `2015-05-17 10:05:03`, in UTC. */
function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString().slice(0, 19).replace("T", " ");
}

/** Text that does nothing to a terminal: control characters become dots, and so does what turns the writing direction. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "·");
}

function fit(text: string, width: number): string {
  const characters = [...text.slice(0, width * 2 + 2)];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}
