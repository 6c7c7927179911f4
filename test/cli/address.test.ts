import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "../../src/cli/address.ts";

test("an address is a host and a port, or a port on this machine alone", () => {
  assert.deepEqual(addressOf("0.0.0.0:8080"), { hostname: "0.0.0.0", port: 8080 });
  assert.deepEqual(addressOf("localhost:0"), { hostname: "localhost", port: 0 });
  assert.deepEqual(addressOf("[::1]:9000"), { hostname: "::1", port: 9000 });
  assert.deepEqual(addressOf("65535"), { hostname: "127.0.0.1", port: 65_535 });
});

test("anything else is refused", () => {
  for (
    const text of ["", "localhost", "localhost:", ":", "::1:80", "a b:1", "host:65536", "host:-1", "http://host:1"]
  ) {
    assert.equal(addressOf(text), undefined, text);
  }
});
