import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { type Call, type Command, parseCall } from "../../src/cli/command.ts";
import { Output } from "../../src/cli/output.ts";

const COMMAND: Command = {
  name: "cook",
  summary: "cook something",
  operands: ["DISH", "[GUEST]"],
  options: {
    salt: { value: "GRAMS", help: "how much" },
    herb: { value: "NAME", isMany: true, help: "which" },
    hot: { help: "with chilli" },
  },
  run: () => Promise.resolve(),
};

function parse(...args: string[]): Call {
  return parseCall(COMMAND, args, new Output(new Writable()));
}

test("operands, options and flags are told apart wherever they stand", () => {
  const call = parse("--herb", "sage", "soup", "--hot", "--salt=3", "--herb=dill", "anna");
  assert.deepEqual(call.operands, ["soup", "anna"]);
  assert.deepEqual(call.texts("herb"), ["sage", "dill"]);
  assert.equal(call.count("salt", 0), 3);
  assert.equal(call.isOn("hot"), true);
});

test("what was not given is told apart from what is empty", () => {
  const call = parse("soup", "");
  assert.deepEqual(call.operands, ["soup", ""]);
  assert.deepEqual([call.text("salt"), call.texts("herb"), call.isOn("hot")], [undefined, [], false]);
  assert.equal(parse("soup", "--salt=").text("salt"), "");
});

test("what begins with a dash can be an operand behind two dashes", () => {
  assert.deepEqual(parse("soup", "--", "--hot").operands, ["soup", "--hot"]);
});

test("a command line that does not fit is refused with what is wrong", () => {
  const wrong: [string[], RegExp][] = [
    [[], /^tidemark cook needs DISH$/],
    [["a", "b", "c"], /"c"/],
    [["a", "--cold"], /--cold/],
    [["a", "--salt"], /--salt/],
    [["a", "--hot=1"], /--hot/],
  ];
  for (const [args, message] of wrong) {
    assert.throws(() => parse(...args), { code: "TIDEMARK_USAGE", message }, args.join(" "));
  }
});

test("a number that is none, or too small, is refused", () => {
  for (const text of ["", "x", "-1", "1.5", "1e3", "0", "99999999999999999999"]) {
    assert.throws(() => parse("soup", `--salt=${text}`).count("salt", 1), {
      code: "TIDEMARK_USAGE",
      message: /--salt/,
    });
  }
});
