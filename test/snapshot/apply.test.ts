import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import { guardOfPath, isKeptBack } from "../../src/snapshot/guardedPath.ts";
import { Place } from "./place.ts";

function folder(path: string): Record<string, string> {
  const files = readdirSync(path, { recursive: true, encoding: "utf8", withFileTypes: true });
  return Object.fromEntries(
    files
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(path.length + 1), readFileSync(file, "utf8")]),
  );
}

async function summary(place: Place, base: string, tree: string): Promise<unknown> {
  const plan = await place.trees.plan(base, tree);
  return plan.map(({ path, change, conflict }) => [path, change, conflict]);
}

test("the user's folder stays as it is until changes are applied, and then holds exactly them", async (context) => {
  const start = {
    "keep.txt": "keep",
    "edit.txt": "old\n",
    "dir/gone.txt": "bye",
    "run.sh": "#!\n",
  };
  const place = new Place(context, start);
  chmodSync(join(place.workspace, "edit.txt"), 0o600);
  const { tree: base } = await place.trees.seed();
  place.agent("edit.txt", "new\n");
  place.agent("new/deep/file.txt", "hello");
  chmodSync(join(place.tree, "run.sh"), 0o755);
  rmSync(join(place.tree, "dir"), { recursive: true });
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  assert.deepEqual(folder(place.workspace), start, "planning touches nothing");

  await place.trees.apply(base, tree, plan);

  assert.deepEqual(folder(place.workspace), {
    "edit.txt": "new\n",
    "keep.txt": "keep",
    "new/deep/file.txt": "hello",
    "run.sh": "#!\n",
  });
  assert.equal(existsSync(join(place.workspace, "dir")), false);
  assert.equal(statSync(join(place.workspace, "run.sh")).mode & 0o111, 0o111);
  assert.equal(statSync(join(place.workspace, "edit.txt")).mode & 0o777, 0o600);
  await place.trees.apply(base, tree, plan);
  assert.deepEqual(await place.trees.plan(base, tree), []);
});

test("a file that the user changed, deleted or made meanwhile is a conflict and never touched", async (context) => {
  const place = new Place(context, { both: "1", theirs: "1", same: "1", lost: "1", deleted: "1" });
  const { tree: base } = await place.trees.seed();
  for (const path of ["both", "theirs", "same", "lost", "added"]) place.agent(path, "agent");
  rmSync(join(place.tree, "deleted"));
  const tree = await place.capture();
  place.user("both", "user");
  place.user("same", "agent");
  place.user("added", "user");
  place.user("deleted", "user");
  rmSync(join(place.workspace, "lost"));
  const changed = "You changed this file since the session started; it is left as it is.";
  assert.deepEqual(await summary(place, base, tree), [
    ["added", "added", changed],
    ["both", "modified", changed],
    ["deleted", "deleted", changed],
    ["lost", "modified", "You deleted this file since the session started; it is not made again."],
    ["theirs", "modified", null],
  ]);
  await place.trees.apply(base, tree, await place.trees.plan(base, tree));
  assert.deepEqual(folder(place.workspace), {
    added: "user",
    both: "user",
    deleted: "user",
    same: "agent",
    theirs: "agent",
  });
});

test("what an editor or a tool would run is named as such, with what runs it", async (context) => {
  const scripts = { test: "x", postinstall: "old" };
  const place = new Place(context, {
    "package.json": JSON.stringify({ scripts }),
    "a/package.json": JSON.stringify({ scripts }),
  });
  const { tree: base } = await place.trees.seed();
  const guarded = [
    ".git/hooks/pre-commit",
    "sub/.GIT/config",
    "s2/.git",
    ".vscode/settings.json",
    ".vscode/tasks.json",
    ".vscode/mcp.json",
    ".devcontainer/devcontainer.json",
    "x.code-workspace",
    ".envrc",
    "cairn.rules.json",
    ".husky/pre-commit",
    ".npmrc",
  ];
  for (const path of guarded) place.agent(path, "evil");
  place.agent("package.json", JSON.stringify({ scripts: { ...scripts, postinstall: "evil" } }));
  place.agent("a/package.json", JSON.stringify({ scripts: { ...scripts, test: "y" } }));
  place.agent("node_modules/x/index.js", "installed");
  symlinkSync("/etc/passwd", join(place.tree, "link"));
  place.agent("fine.txt", "fine");
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  const named = plan.filter(({ guard }) => guard !== undefined).map(({ path }) => path);
  assert.deepEqual(named, [...guarded, "package.json"].toSorted());
  assert.match(plan.find(({ path }) => path === ".envrc")?.guard ?? "", /^direnv runs it/);
  const free = plan.filter(({ conflict, guard }) => conflict === null && guard === undefined);
  assert.deepEqual(
    free.map(({ path }) => path),
    ["a/package.json", "fine.txt"],
  );
  await place.trees.apply(base, tree, free);
  assert.deepEqual(readdirSync(place.workspace), ["a", "fine.txt", "package.json"]);
  assert.ok(!place.userText("package.json").includes("evil"));
});

test("a path that is no name inside the folder never becomes one", async (context) => {
  const place = new Place(context);
  const [text = ""] = await place.blobs.putBlobs([Buffer.from("x")]);
  const put = async (name: string): Promise<string> => {
    const entries = [{ name, mode: "file", digest: text, size: 1 }];
    return (
      (await place.blobs.putBlobs([Buffer.from(JSON.stringify({ format: 2, entries }))]))[0] ?? ""
    );
  };
  const base = await place.capture();
  const refused = ["../x", "a/../../x", "/etc/x", "..", "", "a\0b", "~/.ssh/x", "file:///etc/x"];
  for (const name of refused) {
    await assert.rejects(
      place.trees.plan(base, await put(name)),
      { code: "snapshot.unsafe" },
      name,
    );
  }
  // On this system these are names like any other, of files in this very folder; elsewhere the
  // directory refuses them.
  for (const name of ["C:\\x", "\\\\srv\\s\\x", "a\\..\\..\\x", "%2e%2e"]) {
    const tree = await put(name);
    await place.trees.apply(base, tree, await place.trees.plan(base, tree));
  }
  assert.equal(readdirSync(place.workspace).length, 4);
  assert.deepEqual(readdirSync(place.outside), []);
  for (const name of ["n".repeat(300), "n".repeat(5000)]) {
    const [change] = await place.trees.plan(base, await put(name));
    assert.match(change?.conflict ?? "", /^No file can have this path/);
  }
});

test("a file of the user that has a second name is never written", async (context) => {
  const place = new Place(context, { a: "1" });
  linkSync(join(place.workspace, "a"), join(place.outside, "b"));
  const { tree: base } = await place.trees.seed();
  place.agent("a", "2");
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  assert.match(plan[0]?.conflict ?? "", /second name/);
  await place.trees.apply(base, tree, plan);
  assert.equal(place.userText("a"), "1");
});

test("every spelling that some system takes for a guarded path is guarded", () => {
  const guarded = [
    ".VSCODE/Settings.json",
    ".vscode./settings.json",
    ".vscode::$INDEX_ALLOCATION/settings.json",
    ".vs\u200ccode/settings.json",
    "．git/config",
    "a/.git\\hooks\\x",
    "././/.vscode/x",
    ".git\\hooks\\x",
    "GIT~1/config",
    "PACKAG~1.COD",
    ".ｎｐｍｒｃ",
    "sub/.git",
    ".DevContainer /x",
    "A.Code-Workspace",
    ".EnvRC",
  ];
  for (const path of guarded) assert.ok(guardOfPath(path) !== null, path);
  const plain = [".gitignore", "src/git/x", "vscode/x", "a.code-workspace.md", ".github/x", "a~1"];
  for (const path of plain) assert.equal(guardOfPath(path), null, path);
  assert.ok(isKeptBack("a/Node_Modules/x") && isKeptBack(".CAIRN/store.db"));
});

test("nothing is written through a link in the user's folder", async (context) => {
  const place = new Place(context, { "d/x": "1" });
  const { tree: base } = await place.trees.seed();
  place.agent("d/x", "2");
  place.agent("d/new", "2");
  const tree = await place.capture();
  rmSync(join(place.workspace, "d"), { recursive: true });
  symlinkSync(place.outside, join(place.workspace, "d"));
  const blocked = "It lies below a link or a file of your folder, where nothing is written.";
  assert.deepEqual(await summary(place, base, tree), [
    ["d/new", "added", blocked],
    ["d/x", "modified", blocked],
  ]);
  await place.trees.apply(base, tree, await place.trees.plan(base, tree));
  assert.deepEqual(readdirSync(place.outside), []);
});

test("changes that are not the approved ones are refused before anything is written", async (context) => {
  const place = new Place(context, { a: "1", b: "1" });
  const { tree: base } = await place.trees.seed();
  place.agent("a", "2");
  place.agent("b", "2");
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  place.user("b", "mine");
  await assert.rejects(place.trees.apply(base, tree, plan), { code: "apply.conflict" });
  assert.equal(place.userText("a"), "1");
  place.user("b", "1");
  const forged = plan.map((change) => ({ ...change, diff: "harmless" }));
  await assert.rejects(place.trees.apply(base, tree, forged), { code: "apply.conflict" });
  const [first] = plan;
  assert.ok(first);
  const foreign = [...plan, { ...first, path: "other" }];
  await assert.rejects(place.trees.apply(base, tree, foreign), { code: "apply.conflict" });
  assert.deepEqual(folder(place.workspace), { a: "1", b: "1" });
  await place.trees.apply(base, tree, plan.slice(1));
  assert.deepEqual(folder(place.workspace), { a: "1", b: "2" }, "only what was approved");
});

test("applying again after a crash half way finishes the rest", async (context) => {
  const place = new Place(context, { a: "1", b: "1", c: "1" });
  const { tree: base } = await place.trees.seed();
  for (const path of ["a", "b"]) place.agent(path, "2");
  rmSync(join(place.tree, "c"));
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  place.user("a", "2");
  rmSync(join(place.workspace, "c"));
  await place.trees.apply(base, tree, plan);
  assert.deepEqual(folder(place.workspace), { a: "2", b: "2" });
});

test("a file that became a folder is applied in one go", async (context) => {
  const place = new Place(context, { a: "file" });
  const { tree: base } = await place.trees.seed();
  rmSync(join(place.tree, "a"));
  place.agent("a/b", "inner");
  const tree = await place.capture();
  await place.trees.apply(base, tree, await place.trees.plan(base, tree));
  assert.deepEqual(folder(place.workspace), { "a/b": "inner" });
});

test("a folder that cannot be written says which file and what to do", async (context) => {
  const place = new Place(context, { "ro/a": "1" });
  const { tree: base } = await place.trees.seed();
  place.agent("ro/a", "2");
  const tree = await place.capture();
  const plan = await place.trees.plan(base, tree);
  await readOnly(join(place.workspace, "ro"), async () => {
    await assert.rejects(place.trees.apply(base, tree, plan), (error) => {
      assert.ok(CairnError.is(error, "apply.readOnly"));
      assert.match(error.message, /^ro\/a .*Make it writable/);
      return true;
    });
  });
  await place.trees.apply(base, tree, plan);
  assert.equal(place.userText("ro/a"), "2");
});

/** Mode bits do not stop root, so root gives its rights up for a while. */
async function readOnly(path: string, work: () => Promise<void>): Promise<void> {
  const root = process.getuid?.() === 0;
  chmodSync(join(path, ".."), 0o755);
  chmodSync(join(path, "../.."), 0o755);
  chmodSync(path, 0o555);
  if (root) process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    if (root) process.seteuid?.(0);
    chmodSync(path, 0o755);
  }
}

test("what a file of rules at the root would change is told with it, and its secrets are not", async (context) => {
  const rules = (...words: readonly string[]): string =>
    JSON.stringify({
      rules: words.map((word) => ({
        id: word,
        decision: "deny",
        tool: "exec",
        command: { words: [word, "s3cret-value"], more: false },
      })),
    });
  const place = new Place(context, { "cairn.rules.json": rules("one") });
  const text = (shown: string): string => shown.replaceAll("s3cret-value", "[gone]");
  const trees = place.openWith({ secrets: { areIn: () => false, text } });
  const { tree: base } = await trees.seed();
  place.agent("cairn.rules.json", rules("two"));
  place.agent("sub/cairn.rules.json", rules("two"));
  place.agent("Cairn.Rules.json", rules("two"));
  const tree = await place.capture(trees);
  const told = (await trees.plan(base, tree)).map(({ path, guard, rules: news }) => [
    path,
    guard !== undefined,
    news?.says,
  ]);
  assert.deepEqual(told, [
    ["Cairn.Rules.json", true, undefined],
    [
      "cairn.rules.json",
      true,
      ["No longer denies the command one [gone].", "Denies the command two [gone]."],
    ],
    ["sub/cairn.rules.json", true, undefined],
  ]);
  place.user("cairn.rules.json", "mine");
  const [, conflicting] = await trees.plan(base, tree);
  assert.equal(conflicting?.rules, undefined, "what stays as it is changes no rule");
});
