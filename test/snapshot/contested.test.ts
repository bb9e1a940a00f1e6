import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { FileChange } from "../../src/core/waitSubject.ts";
import { sha256 } from "../../src/snapshot/sha256.ts";
import type { SnapshotTrees } from "../../src/snapshot/snapshotTrees.ts";
import { Place } from "./place.ts";

interface Applied {
  readonly place: Place;
  readonly base: string;
  readonly tree: string;
  readonly paths: readonly string[];
  /** What taking it back would do now. */
  readonly back: (trees?: SnapshotTrees) => Promise<readonly FileChange[]>;
}

/** A folder with an apply in it: of these files the agent made these. Null is no file. */
async function applied(
  context: TestContext,
  files: Readonly<Record<string, readonly [before: string | null, after: string | null]>>,
): Promise<Applied> {
  const place = new Place(context);
  for (const [path, [before]] of Object.entries(files)) {
    if (before !== null) place.user(path, before);
  }
  const { tree: base } = await place.trees.seed();
  for (const [path, [, after]] of Object.entries(files)) {
    if (after === null) rmSync(join(place.tree, path));
    else place.agent(path, after);
  }
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  await place.trees.apply(base, tree, plan);
  const paths = plan.map(({ path }) => path);
  const back = async (trees = place.trees) => trees.planBack(tree, base, paths);
  return { place, base, tree, paths, back };
}

function state(text: string, exec = false) {
  return { digest: sha256(Buffer.from(text)), bytes: text.length, exec };
}

suite("a file that the user changed since an apply", () => {
  test("is contested, with what a yes would do to it: replace it, bring it back, or delete it", async (context) => {
    const { place, back } = await applied(context, {
      changed: ["old\n", "agent\n"],
      deleted: ["old\n", "agent\n"],
      made: ["old\n", null],
      "new/added": [null, "agent\n"],
      usual: ["old\n", "agent\n"],
    });
    place.user("changed", "mine\n");
    rmSync(join(place.workspace, "deleted"));
    place.user("made", "mine\n");
    place.user("new/added", "mine\n");
    const [old, agent, mine] = [state("old\n"), state("agent\n"), state("mine\n")];
    assert.deepEqual(
      (await back()).map(({ path, change, contested = null }) => [path, change, contested]),
      [
        ["changed", "modified", { written: agent, yours: mine, theirs: old }],
        ["deleted", "added", { written: agent, yours: null, theirs: old }],
        ["made", "modified", { written: null, yours: mine, theirs: old }],
        ["new/added", "deleted", { written: agent, yours: mine, theirs: null }],
        ["usual", "modified", null],
      ],
    );
    const [first] = await back();
    assert.match(first?.diff ?? "", /-mine\n\+old\n$/, "from what lies there now");
    assert.match(first?.conflict ?? "", /^You changed this file/);
  });

  test("is replaced after it was kept, and can be brought back from what was kept", async (context) => {
    const { place, base, tree, paths, back } = await applied(context, {
      "d/changed": ["old\n", "agent\n"],
      deleted: ["old\n", "agent\n"],
      "new/added": [null, "agent\n"],
    });
    place.user("d/changed", "mine\n");
    chmodSync(join(place.workspace, "d/changed"), 0o750);
    rmSync(join(place.workspace, "deleted"));
    place.user("new/added", "mine, too\n");
    const changes = await back();
    await assert.rejects(place.trees.apply(tree, base, changes), { code: "apply.conflict" });
    assert.equal(place.userText("d/changed"), "mine\n", "nothing is replaced that is not kept");

    const kept = await place.trees.keep(changes);
    await place.trees.apply(tree, base, changes);
    assert.equal(place.userText("d/changed"), "old\n");
    assert.equal(place.userText("deleted"), "old\n");
    assert.equal(existsSync(join(place.workspace, "new")), false);

    assert.equal(await place.trees.keep(changes), kept, "a repeat keeps the same");
    await place.trees.apply(tree, base, changes);
    assert.deepEqual(await place.trees.list(kept), ["d/changed", "new/added"]);
    const again = await place.trees.planBack(base, kept, paths);
    assert.ok(again.every(({ conflict }) => conflict === null));
    await place.trees.apply(base, kept, again);
    assert.equal(place.userText("d/changed"), "mine\n");
    assert.equal(statSync(join(place.workspace, "d/changed")).mode & 0o111, 0o110);
    assert.equal(place.userText("new/added"), "mine, too\n");
    assert.equal(existsSync(join(place.workspace, "deleted")), false);
  });

  test("is left as it is when it is another one than was asked about, in its bytes or in that it may be run", async (context) => {
    const { place, base, tree, back } = await applied(context, {
      a: ["old\n", "agent\n"],
      b: ["old\n", "agent\n"],
      usual: ["old\n", "agent\n"],
    });
    const user = () => ["a", "b", "usual"].map((path) => place.userText(path));
    place.user("a", "mine\n");
    rmSync(join(place.workspace, "b"));
    const changes = await back();
    const kept = await place.trees.keep(changes);
    const refused = async (): Promise<void> => {
      await assert.rejects(place.trees.apply(tree, base, changes), { code: "apply.conflict" });
    };
    place.user("a", "mine, later\n");
    await refused();
    place.user("a", "mine\n");
    chmodSync(join(place.workspace, "a"), 0o755);
    await refused();
    chmodSync(join(place.workspace, "a"), 0o644);
    place.user("b", "made again\n");
    await refused();
    assert.deepEqual(user(), ["mine\n", "made again\n", "agent\n"], "nothing was written");
    rmSync(join(place.workspace, "b"));
    const others = changes.map((change) =>
      change.contested === undefined
        ? change
        : { ...change, contested: { ...change.contested, theirs: state("forged") } },
    );
    await assert.rejects(place.trees.apply(tree, base, others), { code: "apply.conflict" });
    await place.trees.apply(tree, base, changes);
    assert.deepEqual(user(), ["old\n", "old\n", "old\n"]);
    assert.equal(Buffer.from((await place.trees.file(kept, "a")) ?? "").toString(), "mine\n");
  });

  test("and changed again in the last moment before it is replaced is not", async (context) => {
    const { place, base, tree, back } = await applied(context, { a: ["old\n", "agent\n"] });
    place.user("a", "mine\n");
    const changes = await back();
    await place.trees.keep(changes);
    const old = sha256(Buffer.from("old\n"));
    const late = place.open({
      putBlobs: async (blobs) => place.blobs.putBlobs(blobs),
      getBlob: async (digest) => {
        if (digest === old) place.user("a", "in the last moment\n");
        return place.blobs.getBlob(digest);
      },
    });
    await assert.rejects(late.apply(tree, base, changes), { code: "apply.conflict" });
    assert.equal(place.userText("a"), "in the last moment\n");
  });

  test("cannot be kept once it is another one, whatever was kept before", async (context) => {
    const { place, back } = await applied(context, { a: ["old\n", "agent\n"] });
    place.user("a", "mine\n");
    const changes = await back();
    place.user("a", "mine, later\n");
    await assert.rejects(place.trees.keep(changes), (error) => {
      assert.match(String(error), /a in your folder is not what it was when .* approved/);
      return true;
    });
    assert.ok(
      ![...place.blobs.stored.values()].some((bytes) =>
        String(Buffer.from(bytes)).includes("later"),
      ),
    );
  });

  test("is never asked about where it is a link, a folder, has a second name or lies below a link", async (context) => {
    const files = ["link", "folder", "second", "d/below"];
    const all = Object.fromEntries(files.map((path) => [path, ["old", "agent"] as const]));
    const { place, base, tree, back } = await applied(context, all);
    for (const path of files) rmSync(join(place.workspace, path));
    rmSync(join(place.workspace, "d"), { recursive: true });
    symlinkSync(place.outside, join(place.workspace, "link"));
    mkdirSync(join(place.workspace, "folder"));
    place.user("second", "mine");
    linkSync(join(place.workspace, "second"), join(place.outside, "other"));
    symlinkSync(place.outside, join(place.workspace, "d"));
    const changes = await back();
    assert.equal(changes.length, files.length);
    for (const { path, conflict, contested } of changes) {
      assert.ok(conflict !== null && contested === undefined, path);
    }
    await place.trees.keep(changes);
    await place.trees.apply(tree, base, changes);
    assert.deepEqual(readdirSync(place.outside), ["other"]);
    assert.equal(place.userText("second"), "mine");
  });

  test("is never asked about where the store may not hold it, and the reason says why", async (context) => {
    const paths = ["known", ".env", "large"];
    const all = Object.fromEntries(paths.map((path) => [path, [null, "agent"] as const]));
    const { place, back } = await applied(context, all);
    const trees = place.openWith({
      maxFileBytes: 30,
      secrets: { areIn: (bytes) => Buffer.from(bytes).includes("hunter2"), text: (text) => text },
    });
    place.user("known", "password hunter2\n");
    place.user(".env", "A=b\n");
    place.user("large", "x".repeat(31));
    const changes = await back(trees);
    assert.deepEqual(
      changes.map(({ path, conflict }) => [path, conflict?.split("keep a copy: ")[1]]),
      [
        [".env", "it may hold secrets."],
        ["known", "it holds a secret that Cairn knows."],
        ["large", "it is no plain file of at most 30 bytes."],
      ],
    );
    assert.ok(changes.every(({ contested }) => contested === undefined));
    assert.ok(!JSON.stringify(changes).includes("hunter2"));
    const open = place.openWith({ include: [".env"] });
    const [first] = await back(open);
    assert.deepEqual(first?.contested?.yours, state("A=b\n"), "unless it is included by name");
  });
});
