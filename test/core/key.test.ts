import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareText, KEY_BYTES_MAX, keyFault } from "../../src/core/key.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("a", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}") }),
);

test("texts are ordered as their UTF-8 bytes are", () => {
  fc.assert(fc.property(text, text, (a, b) => {
    const [x, y] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
    const different = x.findIndex((byte, i) => byte !== y[i]);
    const byBytes = a === b ? 0 : different === -1 ? -1 : different >= y.length ? 1 : x[different]! - y[different]!;
    assert.equal(Math.sign(compareText(a, b)), Math.sign(byBytes));
  }));
});

test("characters above U+FFFF come after U+E000, which JavaScript puts the other way round", () => {
  assert.ok("\u{10000}" < "\ue000");
  assert.ok(compareText("\u{10000}", "\ue000") > 0);
  assert.deepEqual(["\u{10000}", "\ue000", "z", ""].sort(compareText), ["", "z", "\ue000", "\u{10000}"]);
});

test("any well-formed text of up to 16 KiB is a key, the empty one too", () => {
  for (const key of ["", "a", "\0", "__proto__", "~checkpoint", "!", "😀", "\ufeff"]) {
    assert.equal(keyFault(key), undefined);
  }
  fc.assert(fc.property(fc.string({ unit: "binary" }), (key) => assert.equal(keyFault(key), undefined)));
});

test("a key's length is counted in bytes of UTF-8, to the byte", () => {
  for (const char of ["x", "é", "語", "😀"]) {
    const bytes = new TextEncoder().encode(char).length;
    const most = Math.floor(KEY_BYTES_MAX / bytes);
    assert.equal(keyFault(char.repeat(most)), undefined, char);
    const fault = `a key may have 16384 bytes, this one has ${(most + 1) * bytes}`;
    assert.equal(keyFault(char.repeat(most + 1)), fault, char);
  }
});

test("what is not text, or not well-formed, is no key, and the fault says what it is", () => {
  assert.equal(keyFault(undefined), "a key must be text, this is undefined");
  assert.equal(keyFault(null), "a key must be text, this is null");
  assert.equal(keyFault(7), "a key must be text, this is number");
  assert.equal(keyFault({ toString: () => "a" }), "a key must be text, this is object");
  for (const lone of ["\ud800", "a\udc00", "\udc00\ud800"]) {
    assert.equal(keyFault(lone), "a key must be well-formed Unicode, this one has a lone surrogate");
  }
});
