import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import { sha256 } from "../../src/snapshot/sha256.ts";
import { UserFolder } from "../../src/snapshot/userFolder.ts";
import { Place } from "./place.ts";

test("pipes, broken names and oversized files are left out with a reason, and nothing hangs", async (context) => {
  const place = new Place(context);
  execFileSync("mkfifo", [join(place.tree, "pipe")]);
  writeFileSync(Buffer.concat([Buffer.from(`${place.tree}/bad-`), Buffer.from([0xff])]), "x");
  place.agent("big", Buffer.alloc(5000));
  place.agent("line\nbreak", "kept");
  const trees = place.open(place.blobs, 1000);
  const { tree, leftOut } = await trees.capture();
  assert.deepEqual(await trees.list(tree), ["line\nbreak"]);
  assert.deepEqual(
    leftOut.toSorted((left, right) => (left.path < right.path ? -1 : 1)),
    [
      { path: "bad-\ufffd", reason: "its name is not valid UTF-8" },
      { path: "big", reason: "it is larger than 1000 bytes" },
      { path: "pipe", reason: "it is neither a file nor a folder" },
    ],
  );
  await trees.restore(tree);
  assert.deepEqual(readdirSync(place.tree), ["line\nbreak"]);
});

test("a link to the host's files is kept as a link; what it points to is never read or removed", async (context) => {
  const place = new Place(context);
  const secret = join(place.outside, "secret");
  writeFileSync(secret, "top secret");
  symlinkSync(secret, join(place.tree, "file"));
  symlinkSync(place.outside, join(place.tree, "folder"));
  const tree = await place.capture();
  assert.deepEqual(await place.trees.list(tree), []);
  const stored = [...place.blobs.stored.values()].map((bytes) => Buffer.from(bytes).toString());
  assert.ok(stored.every((text) => !text.includes("top secret")));

  place.agent("folder2/x", "x");
  const other = await place.capture();
  rmSync(join(place.tree, "folder2"), { recursive: true });
  symlinkSync(place.outside, join(place.tree, "folder2"));
  await place.trees.restore(other);
  assert.deepEqual(readdirSync(place.outside), ["secret"]);
  assert.equal(place.treeText("folder2/x"), "x");

  rmSync(join(place.tree, "file"));
  linkSync(secret, join(place.tree, "file"));
  await place.trees.restore(tree);
  assert.equal(readFileSync(secret, "utf8"), "top secret");
  assert.equal(readlinkSync(join(place.tree, "file")), secret);
});

test("a folder nested deeper than any path can be written is left out, and still can be removed", async (context) => {
  const place = new Place(context);
  const empty = await place.capture();
  const digDown = `const fs = require("node:fs"); const name = "d".repeat(100);
    process.chdir(process.argv[1]);
    for (let n = 0; n < 300; n++) { fs.mkdirSync(name); process.chdir(name); }`;
  execFileSync(process.execPath, ["-e", digDown, place.tree]);
  const { leftOut } = await place.trees.capture();
  assert.deepEqual(
    leftOut.map(({ reason }) => reason),
    ["more than 100 folders deep"],
  );
  await place.trees.restore(empty);
  assert.deepEqual(readdirSync(place.tree), []);
});

test("the remains of a write that was cut off are never part of a checkpoint", async (context) => {
  const place = new Place(context);
  place.agent(".cairn-0123456789abcdef.tmp", "half");
  assert.deepEqual(await place.trees.list(await place.capture()), []);
});

test("a process that swaps a folder for a link while the host restores gets no file outside", async (context) => {
  const place = new Place(context);
  for (let n = 0; n < 40; n++) place.agent(`d/f${n}`, `content ${n}`);
  const full = await place.capture();
  rmSync(join(place.tree, "d"), { recursive: true });
  mkdirSync(join(place.tree, "d"));
  const empty = await place.capture();
  const flipper = swapping(place.tree, place.outside);
  const exited = once(flipper, "exit");
  let refused = 0;
  let done = 0;
  try {
    await once(flipper.stdout, "data");
    const began = performance.now();
    const enough = (): boolean => refused > 0 && performance.now() - began > 2500;
    // On a busy machine the other process may not get its turn at once.
    while (!enough() && performance.now() - began < 20_000) {
      try {
        await place.trees.restore(done % 2 === 0 ? full : empty);
        await place.capture();
      } catch (error) {
        if (CairnError.is(error, "snapshot.unsafe")) refused++;
      }
      done++;
    }
  } finally {
    flipper.kill("SIGKILL");
    await exited;
  }
  assert.deepEqual(readdirSync(place.outside), []);
  assert.ok(done > 5, `${done} restores`);
  assert.ok(refused > 0, "the race was met at least once");
  const stored = [...place.blobs.stored.values()].map((bytes) => Buffer.from(bytes).toString());
  assert.ok(stored.every((text) => text.startsWith("content") || text.startsWith('{"format":2')));
  assert.ok(existsSync(place.outside));
});

test("a process that swaps a folder for a link while files are written into the user's folder gets none outside", async (context) => {
  const place = new Place(context, { "d/f": "0" });
  const flipper = swapping(place.workspace, place.outside);
  const exited = once(flipper, "exit");
  const folder = new UserFolder(place.workspace);
  let [written, refused] = [0, 0];
  try {
    await once(flipper.stdout, "data");
    const began = performance.now();
    const enough = (): boolean => refused > 0 && performance.now() - began > 4000;
    while (!enough() && performance.now() - began < 20_000) {
      try {
        const bytes = Buffer.from(`${written}`);
        const name = `f${written}`;
        const after = { name, mode: "file", digest: sha256(bytes), size: bytes.length } as const;
        const change = { path: `d/${name}`, before: null, after };
        const { kind } = await folder.bring(change, { bytes, exec: false });
        if (kind === "apply") written++;
        else refused++;
      } catch {
        refused++;
      }
    }
  } finally {
    flipper.kill("SIGKILL");
    await exited;
  }
  assert.deepEqual(readdirSync(place.outside), []);
  assert.ok(written > 0 && refused > 0, `${written} written, ${refused} refused`);
});

/** A process that swaps the folder `d` of a tree for a link and back without end; it says when it began. */
function swapping(tree: string, outside: string): ChildProcessByStdio<null, Readable, null> {
  const program = `const fs = require("node:fs"); const [tree, outside] = process.argv.slice(1);
    process.chdir(tree); fs.mkdirSync("../real", { recursive: true });
    const attempt = (work) => { try { work(); } catch {} };
    console.log("ready");
    for (;;) {
      attempt(() => fs.renameSync("d", "../real/" + Math.random()));
      attempt(() => fs.symlinkSync(outside, "d"));
      attempt(() => fs.unlinkSync("d"));
      attempt(() => fs.mkdirSync("d"));
    }`;
  return spawn(process.execPath, ["-e", program, tree, outside], {
    stdio: ["ignore", "pipe", "ignore"],
  });
}
