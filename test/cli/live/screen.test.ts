import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen } from "../../../src/cli/live/screen.ts";

/** A terminal that understands just what a screen needs. */
class FakeTerminal {
  columns = 40;
  rows = 10;
  lines: string[] = [""];
  row = 0;
  isCursorShown = true;
  wraps = true;

  write(text: string): void {
    // deno-lint-ignore no-control-regex -- the escape character is what this is about
    for (const [part] of text.matchAll(/\x1b\[[?\d]*[A-Za-z]|\n|[^\x1b\n]+/g)) {
      if (part === "\n") {
        this.row++;
        this.lines[this.row] ??= "";
      } else if (part === "\x1b[?25l") this.isCursorShown = false;
      else if (part === "\x1b[?25h") this.isCursorShown = true;
      else if (part === "\x1b[?7l") this.wraps = false;
      else if (part === "\x1b[?7h") this.wraps = true;
      else if (part === "\x1b[K") this.lines[this.row] = this.lines[this.row]!.slice(0, this.#column);
      else if (part === "\x1b[J") this.lines.splice(this.row, Infinity, "");
      else if (part.startsWith("\x1b") && part.endsWith("F")) this.row -= Number(part.slice(2, -1));
      else {
        assert.ok(!part.startsWith("\x1b"), JSON.stringify(part));
        this.lines[this.row] = part + this.lines[this.row]!.slice(part.length);
        this.#column = part.length;
      }
    }
  }

  #column = 0;

  get text(): string {
    return this.lines.join("\n");
  }
}

test("each drawing takes the place of the one before", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.draw(["one", "a long line", "three"]);
  assert.equal(terminal.text, "one\na long line\nthree\n");
  screen.draw(["ONE", "short"]);
  assert.equal(terminal.text, "ONE\nshort\n");
  screen.draw(["1", "2", "3", "4"]);
  assert.equal(terminal.text, "1\n2\n3\n4\n");
});

test("a note stays above the view", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.note("before");
  screen.draw(["view"]);
  screen.note("between");
  screen.draw(["view 2"]);
  assert.equal(terminal.text, "before\nbetween\nview 2\n");
});

test("no more lines are drawn than the terminal has room for", () => {
  const terminal = new FakeTerminal();
  terminal.rows = 3;
  new Screen(terminal).draw(["1", "2", "3", "4"]);
  assert.equal(terminal.text, "1\n2\n");
});

test("the cursor is hidden while drawing goes on, and comes back", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.draw(["x"]);
  assert.deepEqual([terminal.isCursorShown, terminal.wraps], [false, true]);
  screen.close();
  screen.close();
  assert.deepEqual([terminal.isCursorShown, terminal.text], [true, "x\n"]);
});

test("a terminal that does not tell its size is taken for 80 by 24", () => {
  assert.equal(new Screen({ write: () => {}, columns: 0 }).width, 80);
});
