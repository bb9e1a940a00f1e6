import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SeenLeaf } from "../../src/snapshot/seenTree.ts";
import { Place } from "./place.ts";

test("a session starts with a copy of the folder, and is told what was left out", async (context) => {
  const place = new Place(context, {
    "src/main.ts": "hello\n",
    "big.bin": Buffer.alloc(2000),
    ".git/config": "secret",
    "packages/a/node_modules/x.js": "x",
    ".cairn/store.db": "x",
    "run.sh": "#!/bin/sh\n",
  });
  chmodSync(join(place.workspace, "run.sh"), 0o755);
  mkdirSync(join(place.workspace, "empty"));
  symlinkSync("src/main.ts", join(place.workspace, "inside"));
  symlinkSync("../outside", join(place.workspace, "out"));
  symlinkSync("/etc/passwd", join(place.workspace, "src/absolute"));
  const trees = place.open(place.blobs, 1000);

  const info = await trees.seed();

  assert.deepEqual(place.treePaths(), [
    "empty",
    "inside",
    "packages",
    "packages/a",
    "run.sh",
    "src",
    "src/main.ts",
  ]);
  assert.equal(readlinkSync(join(place.tree, "inside")), "src/main.ts");
  assert.equal(statSync(join(place.tree, "run.sh")).mode & 0o777, 0o755);
  assert.deepEqual({ files: info.files, bytes: info.bytes }, { files: 2, bytes: 16 });
  assert.deepEqual(
    new Set(info.leftOut.map(({ path }) => path)),
    new Set([".cairn", ".git", "big.bin", "out", "packages/a/node_modules", "src/absolute"]),
  );
  assert.ok(info.leftOut.every(({ reason }) => reason.length > 10));
  assert.equal(await place.capture(trees), info.tree, "what is stored is what lies there");
  assert.deepEqual(await trees.seed(), info, "starting again changes nothing");
});

test("going back to a checkpoint brings contents, modes, links and empty folders back, and nothing else", async (context) => {
  const place = new Place(context);
  place.agent("a/b/c.txt", "one");
  place.agent("tool", "run");
  chmodSync(join(place.tree, "tool"), 0o755);
  mkdirSync(join(place.tree, "empty"));
  symlinkSync("/etc/passwd", join(place.tree, "l"));
  const first = await place.capture();

  place.agent("a/b/c.txt", "two");
  place.agent("new/deep/file", "x");
  chmodSync(join(place.tree, "tool"), 0o644);
  rmSync(join(place.tree, "empty"), { recursive: true });
  rmSync(join(place.tree, "l"));
  mkdirSync(join(place.tree, "l"));
  place.agent("l/inner", "x");
  mkdirSync(join(place.tree, "locked"), 0o555);
  const second = await place.capture();
  assert.notEqual(second, first);

  await place.trees.restore(first);

  assert.deepEqual(place.treePaths(), ["a", "a/b", "a/b/c.txt", "empty", "l", "tool"]);
  assert.equal(place.treeText("a/b/c.txt"), "one");
  assert.equal(readlinkSync(join(place.tree, "l")), "/etc/passwd");
  assert.equal(await place.capture(), first);
  await place.open(place.blobs).restore(second);
  assert.equal(await place.capture(), second, "and forward again, in another process");
});

test("going back leaves files alone that are right already", async (context) => {
  const place = new Place(context);
  place.agent("same", "same");
  place.agent("other", "one");
  const tree = await place.capture();
  const before = lstatSync(join(place.tree, "same")).ino;
  place.agent("other", "two");
  await place.trees.restore(tree);
  assert.equal(lstatSync(join(place.tree, "same")).ino, before);
  assert.equal(place.treeText("other"), "one");
});

test("a second name of a file is cut off by going back, so that writing one never changes the other", async (context) => {
  const place = new Place(context);
  place.agent("a", "text");
  linkSync(join(place.tree, "a"), join(place.tree, "b"));
  await place.trees.restore(await place.capture());
  place.agent("a", "changed");
  assert.equal(place.treeText("b"), "text");
});

test(
  "files made for the container belong to its user",
  { skip: process.getuid?.() !== 0 },
  async (context) => {
    const place = new Place(context, { "dir/file": "x" });
    symlinkSync("file", join(place.workspace, "dir/link"));
    const owner = { uid: 1000, gid: 1001 };
    const tree = join(place.root, "made");
    await place.openWith({ owner, tree }).seed();
    for (const path of ["", "dir", "dir/file", "dir/link"]) {
      const { uid, gid } = lstatSync(join(tree, path));
      assert.deepEqual({ uid, gid }, owner, path);
    }
  },
);

test("a file that changed moments before it was read is read again, an older one is not", (context) => {
  const place = new Place(context);
  place.agent("file", "x");
  const stat = lstatSync(join(place.tree, "file"));
  const entry = { name: "file", mode: "file", digest: "d", size: 1 } as const;
  const readAfter = (ms: number, seen = stat): boolean =>
    new SeenLeaf(entry, seen, { readAtMs: seen.ctimeMs + ms }).isStill(seen);
  assert.deepEqual([readAfter(0), readAfter(99), readAfter(101)], [false, false, true]);
  // A file system that counts whole seconds, or two of them, says so by its stamps.
  const whole = Object.assign(Object.create(stat), { ctimeMs: 1_000_000_000_000 });
  assert.deepEqual([readAfter(1999, whole), readAfter(2000, whole)], [false, true]);
  // A tool can set the modification time back, but not the time of the change itself.
  const touched = Object.assign(Object.create(stat), { ctimeMs: stat.ctimeMs + 1 });
  const seen = new SeenLeaf(entry, stat, { readAtMs: stat.ctimeMs + 5000 });
  assert.equal(seen.isStill(touched), false);
});

test("only what changed is stored again: the file and the folders that lead to it", async (context) => {
  const place = new Place(context);
  for (let n = 0; n < 50; n++) place.agent(`d${n % 5}/f${n}`, `${n}`);
  await new Promise((resolve) => {
    setTimeout(resolve, 150);
  });
  const first = await place.capture();
  const puts = place.blobs.puts;
  assert.equal(await place.capture(), first);
  assert.equal(place.blobs.puts - puts, 0, "a tree that is the same is not stored at all");
  const at = lstatSync(join(place.tree, "d2/f7"));
  place.agent("d2/f7", "X");
  utimesSync(join(place.tree, "d2/f7"), at.atime, at.mtime);
  const second = await place.capture();
  assert.notEqual(second, first, "the same size and time stamp hide nothing");
  assert.equal(place.blobs.puts - puts, 3, "one file, its folder and the top");
});

test("what comes, goes or changes in a folder that was not listed again is seen", async (context) => {
  const place = new Place(context);
  for (let n = 0; n < 4; n++) place.agent(`a/b${n}/f`, `${n}`);
  symlinkSync("b0", join(place.tree, "a/link"));
  const settled = async () =>
    new Promise((resolve) => {
      setTimeout(resolve, 120);
    });
  const steps: readonly (() => void)[] = [
    () => place.agent("a/b1/new", "x"),
    () => rmSync(join(place.tree, "a/b2/f")),
    () => renameSync(join(place.tree, "a/b3/f"), join(place.tree, "a/b3/g")),
    () => place.agent("a/b0/f", "other"),
    () => chmodSync(join(place.tree, "a/b0/f"), 0o755),
    () => rmSync(join(place.tree, "a/link")),
    () => mkdirSync(join(place.tree, "a/b1/empty")),
    () => rmSync(join(place.tree, "a"), { recursive: true }),
  ];
  const seen = [await place.capture()];
  for (const step of steps) {
    await settled();
    assert.equal(await place.capture(), seen.at(-1), "nothing new");
    step();
    seen.push(await place.capture());
    assert.equal(
      await place.capture(place.open(place.blobs)),
      seen.at(-1),
      "as somebody new sees it",
    );
  }
  assert.equal(new Set(seen).size, seen.length);
  for (const tree of seen.toReversed()) {
    await settled();
    await place.trees.restore(tree);
    assert.equal(await place.capture(place.open(place.blobs)), tree);
  }
});

test("after a restore only what was written at the very end is read again", async (context) => {
  const place = new Place(context);
  for (let n = 0; n < 20; n++) place.agent(`f${n}`, `${n}`);
  const tree = await place.capture();
  const other = place.open(place.blobs);
  rmSync(place.tree, { recursive: true });
  await other.restore(tree);
  const puts = place.blobs.puts;
  assert.equal(await place.capture(other), tree);
  assert.equal(place.blobs.puts, puts, "and what is the same is not stored again");
});

test("a tree of the first format is restored, listed and compared with today's", async (context) => {
  const place = new Place(context);
  place.agent("a/b/c.txt", "one");
  place.agent("d", "same");
  mkdirSync(join(place.tree, "empty"));
  const today = await place.capture();
  const [one = "", same = "", changed = ""] = await place.blobs.putBlobs(
    ["one", "same", "changed"].map((text) => Buffer.from(text)),
  );
  const file = (path: string, digest: string, size: number) => ({
    path,
    mode: "file",
    digest,
    size,
  });
  const first = async (digest: string, size: number): Promise<string> => {
    const entries = [
      file("a/b/c.txt", digest, size),
      file("d", same, 4),
      { path: "empty", mode: "directory" },
    ];
    const text = JSON.stringify({ format: 1, entries });
    return (await place.blobs.putBlobs([Buffer.from(text)]))[0] ?? "";
  };
  const old = await first(one, 3);
  assert.deepEqual(await place.trees.diff(old, today), []);
  assert.deepEqual(await place.trees.list(old), ["a/b/c.txt", "d"]);
  const older = await first(changed, 7);
  const paths = (await place.trees.diff(older, today)).map(({ path }) => path);
  assert.deepEqual(paths, ["a/b/c.txt"]);
  await place.open(place.blobs).restore(older);
  assert.equal(place.treeText("a/b/c.txt"), "changed");
  await place.trees.restore(old);
  assert.equal(await place.capture(), today);
});

test("a tree that names itself without end is refused", async (context) => {
  const place = new Place(context);
  const put = async (entries: readonly object[]): Promise<string> => {
    const text = JSON.stringify({ format: 2, entries });
    return (await place.blobs.putBlobs([Buffer.from(text)]))[0] ?? "";
  };
  let digest = await put([]);
  for (let depth = 0; depth < 60; depth++) {
    digest = await put(["a", "b"].map((name) => ({ name, mode: "folder", digest })));
  }
  await assert.rejects(place.trees.list(digest), { code: "snapshot.unsafe" });
  await assert.rejects(place.trees.diff(digest, await put([])), { code: "snapshot.unsafe" });
});

test("a checkpoint whose bytes are gone says so, and so does one that somebody made up", async (context) => {
  const place = new Place(context);
  place.agent("a", "text");
  const tree = await place.capture();
  await assert.rejects(place.trees.restore("0".repeat(64)), { code: "snapshot.missing" });
  for (const name of ["../out", "a/b", "", ".", "..", "a\0b"]) {
    const entries = [{ name, mode: "link", target: "x" }];
    const [made = ""] = await place.blobs.putBlobs([
      Buffer.from(JSON.stringify({ format: 2, entries })),
    ]);
    await assert.rejects(place.trees.restore(made), { code: "snapshot.unsafe" }, name);
  }
  for (const path of ["../out", "/etc/x", "a/../../x", "a//b", "", "."]) {
    const entries = [{ path, mode: "link", target: "x" }];
    const [made = ""] = await place.blobs.putBlobs([
      Buffer.from(JSON.stringify({ format: 1, entries })),
    ]);
    await assert.rejects(place.trees.restore(made), { code: "snapshot.unsafe" }, path);
  }
  const [through = ""] = await place.blobs.putBlobs([
    Buffer.from(
      JSON.stringify({
        format: 1,
        entries: [
          { path: "d", mode: "link", target: place.outside },
          { path: "d/x", mode: "link", target: "x" },
        ],
      }),
    ),
  ]);
  await assert.rejects(place.trees.restore(through), { code: "snapshot.unsafe" });
  assert.deepEqual(readdirSync(place.outside), []);
  place.blobs.stored.clear();
  await assert.rejects(place.trees.list(tree), { code: "snapshot.missing" });
});

test("the files of a checkpoint can be listed and read without touching the tree", async (context) => {
  const place = new Place(context);
  place.agent("b/x", "x");
  place.agent("a", Buffer.from([0, 255]));
  symlinkSync("a", join(place.tree, "l"));
  const tree = await place.capture();
  rmSync(place.tree, { recursive: true });
  assert.deepEqual(await place.trees.list(tree), ["a", "b/x"]);
  assert.deepEqual(Buffer.from((await place.trees.file(tree, "a")) ?? []), Buffer.from([0, 255]));
  assert.equal(await place.trees.file(tree, "l"), null);
  assert.equal(await place.trees.file(tree, "none"), null);
});

test("changes between checkpoints are shown as diffs, sorted, and cut where they are long", async (context) => {
  const place = new Place(context);
  place.agent("b.txt", "one\ntwo\n");
  place.agent("gone", "bye\n");
  place.agent("bin", Buffer.from([1, 0, 2]));
  place.agent("mode", "x\n");
  const first = await place.capture();
  place.agent("b.txt", "one\n2\n");
  rmSync(join(place.tree, "gone"));
  place.agent("a.txt", "new\n");
  place.agent("bin", Buffer.from([1, 0, 3]));
  chmodSync(join(place.tree, "mode"), 0o755);
  place.agent("long", Array.from({ length: 30_000 }, (_, n) => `line ${n}`).join("\n"));
  const second = await place.capture();

  const changes = await place.trees.diff(first, second);

  const long = changes.find(({ path }) => path === "long");
  assert.match(long?.diff ?? "", /\n… diff cut at 64 KB$/);
  assert.ok(Buffer.byteLength(long?.diff ?? "") <= 64 * 1024 + 30);
  assert.deepEqual(
    changes.filter(({ path }) => path !== "long"),
    [
      {
        path: "a.txt",
        change: "added",
        diff: "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,1 @@\n+new\n",
        binary: false,
        conflict: null,
      },
      {
        path: "b.txt",
        change: "modified",
        diff: "--- a/b.txt\n+++ b/b.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
        binary: false,
        conflict: null,
      },
      { path: "bin", change: "modified", diff: null, binary: true, conflict: null },
      {
        path: "gone",
        change: "deleted",
        diff: "--- a/gone\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-bye\n",
        binary: false,
        conflict: null,
      },
      {
        path: "mode",
        change: "modified",
        diff: "old mode 100644\nnew mode 100755\n--- a/mode\n+++ b/mode\n",
        binary: false,
        conflict: null,
      },
    ],
  );
});

test("a rewritten file of many lines is compared in well under a second", async (context) => {
  const place = new Place(context);
  place.agent("f", numbered("old"));
  const first = await place.capture();
  writeFileSync(join(place.tree, "f"), numbered("new"));
  const second = await place.capture();
  const before = process.cpuUsage();
  const [change] = await place.trees.diff(first, second);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 1_500_000, `${user + system} microseconds of the processor`);
  assert.match(change?.diff ?? "", /^--- a\/f\n\+\+\+ b\/f\n@@ -1,9000 \+1,9000 @@\n-old 0\n/);
});

function numbered(word: string): string {
  return Array.from({ length: 9000 }, (_, n) => `${word} ${n}`).join("\n");
}
