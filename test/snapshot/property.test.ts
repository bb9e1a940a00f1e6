import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { Place } from "./place.ts";

const name = fc.constantFrom("a", "b", "Ä", "c.txt", "with space", "line\nbreak", "-rf", "\\");
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const thing = fc.oneof(
  fc.record({
    path,
    kind: fc.constant("file"),
    bytes: fc.uint8Array({ maxLength: 40 }),
    exec: fc.boolean(),
  }),
  fc.record({
    path,
    kind: fc.constant("link"),
    target: fc.constantFrom("a", "../x", "/etc/passwd"),
  }),
  fc.record({ path, kind: fc.constant("folder") }),
);
type Thing = { path: string } & (
  | { bytes: Uint8Array; exec: boolean }
  | { target: string }
  | object
);

/** Makes what can be made: a path below a file or a link is passed over. */
function make(root: string, things: readonly Thing[]): void {
  for (const made of things) {
    const full = join(root, made.path);
    const parts = made.path.split("/");
    const blocked = parts.some((_, index) => {
      const parent = lstatSync(join(root, ...parts.slice(0, index)), { throwIfNoEntry: false });
      return parent !== undefined && !parent.isDirectory();
    });
    if (blocked || lstatSync(full, { throwIfNoEntry: false }) !== undefined) continue;
    mkdirSync(dirname(full), { recursive: true });
    if ("bytes" in made) {
      writeFileSync(full, made.bytes);
      chmodSync(full, made.exec ? 0o755 : 0o644);
    } else if ("target" in made) symlinkSync(made.target, full);
    else mkdirSync(full);
  }
}

test("any tree comes back byte for byte, from any other tree", async (context) => {
  const place = new Place(context);
  await fc.assert(
    fc.asyncProperty(fc.array(thing), fc.array(thing), async (wanted, other) => {
      rmSync(place.tree, { recursive: true });
      mkdirSync(place.tree);
      make(place.tree, wanted);
      const tree = await place.capture();
      rmSync(place.tree, { recursive: true });
      mkdirSync(place.tree);
      make(place.tree, other);
      await place.trees.restore(tree);
      assert.equal(await place.capture(), tree);
      assert.equal(await place.capture(place.open(place.blobs)), tree);
    }),
    { numRuns: 120, seed: 20_261_121 },
  );
});
