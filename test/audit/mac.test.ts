import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Mac } from "../../src/audit/mac.ts";

test("a signature is the HMAC that others compute", () => {
  for (const bytes of [0, 1, 32, 64]) {
    const key = new Uint8Array(bytes).fill(9);
    for (const text of ["", "häß", "x".repeat(1000)]) {
      const mac = new Mac(key);
      const wanted = createHmac("sha256", key).update(text).digest("hex");
      assert.equal(mac.of(text), wanted);
      assert.equal(mac.isOf(text, wanted), true);
      assert.equal(mac.isOf(`${text}!`, wanted), false);
      assert.equal(mac.isOf(text, wanted.slice(1)), false);
    }
  }
});
