/** What the live view needs of a terminal. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
/** Lines that are wider than they look must not break: the view would be longer than it is known to be. */
const NO_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";
const CLEAR_BELOW = "\x1b[J";
const CLEAR_LINE = "\x1b[K";

/** Draws lines over the lines drawn before, at the bottom of what a terminal shows. */
export class Screen {
  readonly #terminal: Terminal;
  #height = 0;
  #isOpen = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Characters per line, 80 where the terminal does not tell. */
  get width(): number {
    return this.#terminal.columns || 80;
  }

  /** Draws the lines, as many as there is room for. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, Math.max(1, (this.#terminal.rows || 24) - 1));
    const text = shown.map((line) => `${line}${CLEAR_LINE}\n`).join("");
    this.#terminal.write(`${this.#isOpen ? "" : HIDE_CURSOR}${NO_WRAP}${this.#back()}${text}${CLEAR_BELOW}${WRAP}`);
    this.#isOpen = true;
    this.#height = shown.length;
  }

  /** Writes a line above the view, where it stays. The view is gone until it is drawn again. */
  note(line: string): void {
    this.#terminal.write(`${this.#back()}${CLEAR_BELOW}${line}\n`);
    this.#height = 0;
  }

  /** Gives the terminal back as it was; what was drawn last stays. More than once is as once. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#height = 0;
    this.#terminal.write(SHOW_CURSOR);
  }

  #back(): string {
    return this.#height === 0 ? "" : `\x1b[${this.#height}F`;
  }
}
