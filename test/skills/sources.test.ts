import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { CairnError } from "../../src/core/errors.ts";
import type { SkillSource } from "../../src/core/ports.ts";
import { GitSkills } from "../../src/skills/gitSkills.ts";
import { LocalSkills } from "../../src/skills/localSkills.ts";
import { parseSkillSource } from "../../src/skills/parseSkillSource.ts";
import { skillSourceContract, type SkillShelf } from "../contracts/skills.ts";

/** A folder of skills beside a cache. */
class Folder implements SkillShelf {
  readonly path: string;
  readonly cache: string;

  constructor(context: TestContext) {
    const root = mkdtempSync(join(tmpdir(), "cairn-skills-"));
    context.after(() => rmSync(root, { recursive: true, force: true }));
    this.path = join(root, "skills");
    this.cache = join(root, "cache");
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    writeFileSync(join(this.path, path), content);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    symlinkSync(target, join(this.path, path));
  }

  source(): SkillSource {
    return new LocalSkills({ directory: this.path, cache: this.cache });
  }
}

/** The same, under git. */
class Repository extends Folder {
  git(...args: readonly string[]): string {
    const identity = [
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@localhost",
      "-c",
      "commit.gpgSign=false",
      "-c",
      "core.protectNTFS=false",
    ];
    return execFileSync("git", [...identity, ...args], {
      cwd: this.path,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { PATH: process.env["PATH"], HOME: this.path, GIT_CONFIG_NOSYSTEM: "1" },
    }).trim();
  }

  commit(): string {
    if (!existsSync(join(this.path, ".git"))) this.git("init", "-q", "-b", "main");
    this.git("add", "-A");
    if (this.git("status", "--porcelain") !== "") this.git("commit", "-q", "-m", "skills");
    return this.git("rev-parse", "HEAD");
  }

  at(ref: string, url = this.path): GitSkills {
    return new GitSkills({ url, ref, cache: this.cache });
  }

  override source(): SkillSource {
    if (existsSync(this.path)) this.commit();
    return this.at("main");
  }
}

skillSourceContract("local", (context) => new Folder(context));
skillSourceContract("git", (context) => new Repository(context));

function refused(path: string): (error: unknown) => boolean {
  return (error) => CairnError.is(error, "skills.unsafe") && error.details["path"] === path;
}

test("a pinned commit stays what it was, and needs no repository once it is cached", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  const pinned = shelf.commit();
  shelf.write("a/SKILL.md", "two");
  shelf.commit();
  const first = await shelf.at(pinned).resolve();
  assert.equal(first.info.commit, pinned);
  assert.equal(readFileSync(join(first.directory, "a/SKILL.md"), "utf8"), "one");

  renameSync(shelf.path, `${shelf.path}.gone`);
  assert.deepEqual(await shelf.at(pinned).resolve(), first);
  await assert.rejects(shelf.at("main").resolve(), (error) =>
    CairnError.is(error, "skills.unavailable"),
  );
  assert.deepEqual(readdirSync(join(shelf.cache, "fetch")), [], "nothing of git is left behind");
});

test("a cache that somebody changed is fetched again, not believed", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  const pinned = shelf.commit();
  const { directory } = await shelf.at(pinned).resolve();
  writeFileSync(join(directory, "a/SKILL.md"), "changed");
  await shelf.at(pinned).resolve();
  assert.equal(readFileSync(join(directory, "a/SKILL.md"), "utf8"), "one");
});

test("a branch or tag is resolved to the commit of the moment", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  const first = shelf.commit();
  shelf.git("tag", "-a", "-m", "x", "v1");
  shelf.write("a/SKILL.md", "two");
  const second = shelf.commit();
  assert.equal((await shelf.at("v1").resolve()).info.commit, first);
  assert.equal((await shelf.at("main").resolve()).info.commit, second);
  assert.equal((await shelf.at("HEAD", `file://${shelf.path}`).resolve()).info.commit, second);
});

test("a tag that is named like a commit does not stand for it", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  shelf.commit();
  const pinned = "0123456789".repeat(4);
  shelf.git("update-ref", `refs/tags/${pinned}`, "HEAD");
  await assert.rejects(shelf.at(pinned).resolve(), (error) => CairnError.is(error));
});

test("executables, submodules and repositories inside the repository are refused by name", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  shelf.write("a/run.sh", "#!/bin/sh\n");
  chmodSync(join(shelf.path, "a/run.sh"), 0o755);
  const commit = shelf.commit();
  await assert.rejects(shelf.at("main").resolve(), refused("a/run.sh"));
  shelf.git("rm", "-q", "-f", "a/run.sh");
  shelf.git("update-index", "--add", "--cacheinfo", `160000,${commit},sub`);
  shelf.git("commit", "-q", "-m", "submodule");
  await assert.rejects(shelf.at("main").resolve(), refused("sub"));
  const blob = shelf.git("rev-parse", "HEAD:a/SKILL.md");
  const inner = execFileSync("git", ["mktree"], {
    cwd: shelf.path,
    input: `100644 blob ${blob}\tconfig\n`,
    encoding: "utf8",
  }).trim();
  const outer = execFileSync("git", ["mktree"], {
    cwd: shelf.path,
    input: `040000 tree ${inner}\t.GIT\n`,
    encoding: "utf8",
  }).trim();
  shelf.git("update-ref", "refs/heads/evil", shelf.git("commit-tree", "-m", "x", outer));
  await assert.rejects(shelf.at("evil").resolve(), refused(".GIT/config"));
});

test("two names that are one where case does not count are refused", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  shelf.write("a/skill.md", "two");
  await assert.rejects(shelf.source().resolve(), (error) => CairnError.is(error, "skills.unsafe"));
});

test("a tree that unfolds to thousands of millions of files is refused at once", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a.md", "x");
  shelf.commit();
  let object = shelf.git("rev-parse", "HEAD^{tree}");
  const mktree = (input: string): string =>
    execFileSync("git", ["mktree"], { cwd: shelf.path, input, encoding: "utf8" }).trim();
  for (let level = 0; level < 10; level++) {
    const inner = object;
    object = mktree(Array.from({ length: 10 }, (_, n) => `040000 tree ${inner}\td${n}\n`).join(""));
  }
  shelf.git("update-ref", "refs/heads/bomb", shelf.git("commit-tree", "-m", "x", object));
  await assert.rejects(shelf.at("bomb").resolve(), (error) =>
    CairnError.is(error, "skills.unsafe"),
  );
});

test("hooks, filters and configuration of the machine and the repository never run", async (context) => {
  const shelf = new Repository(context);
  const mark = join(shelf.cache, "..", "ran");
  shelf.write("a/SKILL.md", "one");
  shelf.write(".gitattributes", "*.md filter=evil diff=evil\n");
  shelf.commit();
  shelf.git("config", "filter.evil.smudge", `touch ${mark}`);
  shelf.git("config", "diff.evil.textconv", `touch ${mark}`);
  const home = join(shelf.cache, "..", "home");
  mkdirSync(join(home, "hooks"), { recursive: true });
  writeFileSync(
    join(home, ".gitconfig"),
    `[core]\nhooksPath=${home}/hooks\nfsmonitor=touch ${mark}\n[diff "evil"]\ntextconv=touch ${mark}\n[url "ext::touch ${mark} "]\ninsteadOf=/\n`,
  );
  for (const hook of ["reference-transaction", "post-checkout", "pre-auto-gc"]) {
    writeFileSync(join(home, "hooks", hook), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  }
  const before = process.env["HOME"];
  process.env["HOME"] = home;
  process.env["GIT_SSH_COMMAND"] = `touch ${mark}`;
  try {
    await shelf.at("main").resolve();
  } finally {
    process.env["HOME"] = before;
    delete process.env["GIT_SSH_COMMAND"];
  }
  assert.equal(existsSync(mark), false);
});

test("addresses and refs that could run or reach something else are refused before git starts", () => {
  const options = { ref: "main", cache: "/nonexistent" };
  const addresses = [
    "ext::sh -c touch% /tmp/x",
    "ssh://-oProxyCommand=x/y",
    "git@host:x/y.git",
    "git://h/x",
    "http://h/x",
    "https://user:pw@h/x",
    "https://-oX@h/x",
    "-u x",
    "--upload-pack=x",
    "https://h/x\n--upload-pack=y",
    "file://host/x",
    "relative/path",
    "",
  ];
  for (const url of addresses) {
    assert.throws(() => new GitSkills({ ...options, url }), { code: "skills.unsafe" }, url);
  }
  for (const ref of ["-x", "--upload-pack=x", "a..b", "a:b", "HEAD@{1}", "a b", "", "a\n"]) {
    assert.throws(() => new GitSkills({ ...options, url: "/x", ref }), { code: "skills.unsafe" });
  }
});

test("a source is written as a folder or as a git address with a ref", async (context) => {
  const shelf = new Repository(context);
  shelf.write("a/SKILL.md", "one");
  const commit = shelf.commit();
  const options = { cache: shelf.cache };
  const git = await parseSkillSource(`git+file://${shelf.path}#main`, options).resolve();
  assert.deepEqual(git.info.source, `git+file://${shelf.path}#main`);
  assert.equal(git.info.commit, commit);
  assert.equal(
    (await parseSkillSource(`git+${shelf.path}`, options).resolve()).info.commit,
    commit,
  );
  const local = await parseSkillSource(shelf.path, options).resolve();
  assert.equal(local.info.commit, null);
  assert.equal(local.info.digest, git.info.digest, "the same bytes, wherever they come from");
  assert.ok(parseSkillSource("https://example.com/x.git#v1", options) instanceof GitSkills);
  assert.ok(parseSkillSource("https://example.com/x.git", options) instanceof GitSkills);
  assert.throws(() => parseSkillSource("git+ssh://-oX/y#main", options), { code: "skills.unsafe" });
});
