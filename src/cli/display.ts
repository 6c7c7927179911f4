import type { Notice } from "../runtime/notice.ts";
import type { Figures } from "./figures.ts";
import type { Ranked } from "./live/ranking.ts";

/** What is watched while an app runs. */
export interface Watched {
  readonly app: string;
  /** Where the service answers; undefined when it does not listen. */
  readonly url: string | undefined;
  readonly dataDir: string;
  readonly runtime: Ranked;
  figures(): Figures;
  /** How far each input file is. */
  inputs(): readonly InputFigures[];
}

/** One input file. */
export interface InputFigures {
  readonly name: string;
  readonly lines: number;
  /** How much of it has been read, from 0 to 1; undefined when that cannot be known. */
  readonly share: number | undefined;
}

/** Shows how an app is doing. */
export interface Display {
  start(watched: Watched): void;
  /** Something an operator should know. */
  note(notice: Notice): void;
  /** Shows the last figures, and leaves everything as it was. */
  end(): Promise<void>;
}
