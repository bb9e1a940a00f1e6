import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutputStream } from "../../src/sandbox/outputStream.ts";

const marker = Buffer.from("aab");

/** Few letters, so that beginnings of the marker are everywhere. */
const chunks = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 }));

test("an output ends at its marker wherever chunks are cut, and keeps what came before", () => {
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 40 }), (parts, keep) => {
      const whole = `${parts.join("")}aab`;
      const expected = whole.slice(0, whole.indexOf("aab"));
      const seen: Uint8Array[] = [];
      const stream = new OutputStream(keep, (bytes) => seen.push(Buffer.from(bytes)));
      void stream.endsAt(marker);
      const memory = Buffer.alloc(16);
      for (const part of [...parts, "aab"]) {
        // As a transport does that reads into the same memory again and again.
        const length = memory.write(part);
        stream.push(memory.subarray(0, length));
      }
      assert.equal(Buffer.concat(seen).toString(), expected);
      const half = Math.floor(keep / 2);
      const head = expected.slice(0, half);
      const tail = expected.slice(half).slice(-(keep - half));
      assert.equal(Buffer.from(stream.kept()).toString(), head + tail);
      assert.equal(stream.truncated, expected.length > keep);
    }),
  );
});
