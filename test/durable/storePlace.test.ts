import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { placeStore } from "../../src/durable/storePlace.ts";

const place = mkdtempSync(join(tmpdir(), "cairn-place-"));
after(() => rmSync(place, { recursive: true }));

/** A workspace as somebody made it, and a file and a folder that are none of its business. */
function workspace(name: string, prepare: (cairn: string, elsewhere: string) => void) {
  const path = join(place, name);
  const elsewhere = join(place, `${name}-elsewhere`);
  mkdirSync(path);
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "profile"), "mine\n");
  prepare(join(path, ".cairn"), elsewhere);
  const root = join(place, `${name}-root`);
  return { path, elsewhere, root, placed: placeStore(path, root) };
}

test("records lie in the workspace, in a directory of the owner that git ignores", () => {
  const { path, placed } = workspace("usual", () => {});
  assert.deepEqual(placed, { path: join(path, ".cairn", "sessions.db"), notice: null });
  assert.equal(readFileSync(join(path, ".cairn", ".gitignore"), "utf8"), "*\n");
  assert.equal(statSync(join(path, ".cairn")).mode & 0o777, 0o700);
});

const traps: Readonly<Record<string, (cairn: string, elsewhere: string) => void>> = {
  "the directory itself": (cairn, elsewhere) => symlinkSync(elsewhere, cairn),
  "the file that git reads": (cairn, elsewhere) => {
    mkdirSync(cairn);
    symlinkSync(join(elsewhere, "profile"), join(cairn, ".gitignore"));
  },
  "the store": (cairn, elsewhere) => {
    mkdirSync(cairn);
    symlinkSync(join(elsewhere, "profile"), join(cairn, "sessions.db"));
  },
  "the store's log, by a second name of a file": (cairn, elsewhere) => {
    mkdirSync(cairn);
    linkSync(join(elsewhere, "profile"), join(cairn, "sessions.db-wal"));
  },
};

for (const [what, trap] of Object.entries(traps)) {
  test(`nothing is written through a link that came with the workspace: ${what}`, () => {
    const { path, elsewhere, root, placed } = workspace(what.replaceAll(/\W/g, "-"), trap);
    assert.ok(placed.path.startsWith(join(root, "stores")), placed.path);
    assert.match(
      placed.notice ?? "",
      /^The folder's \.cairn is, or holds, a link, so sessions are/,
    );
    assert.deepEqual(readdirSync(elsewhere), ["profile"]);
    assert.equal(readFileSync(join(elsewhere, "profile"), "utf8"), "mine\n");
    assert.equal(existsSync(join(path, ".cairn", "sessions.db-shm")), false);
  });
}
