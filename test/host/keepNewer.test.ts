import assert from "node:assert/strict";
import { test } from "node:test";
import { keepNewer } from "../../src/host/keepNewer.ts";

test("a session that begins or is deleted while the stores are read stays begun or deleted", () => {
  const read = new Map([
    ["deleted here", 1],
    ["made elsewhere", 2],
    ["known", 3],
  ]);
  const before = new Set(["deleted here", "deleted elsewhere", "known"]);
  const now = new Map([
    ["deleted elsewhere", 4],
    ["known", 5],
    ["begun here", 6],
  ]);
  keepNewer(read, before, now);
  assert.deepEqual(
    [...read],
    [
      ["made elsewhere", 2],
      ["known", 3],
      ["begun here", 6],
    ],
  );
});
