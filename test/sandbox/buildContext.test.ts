import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { readBuildContext, readFolderText } from "../../src/sandbox/buildContext.ts";
import { dockerIgnore } from "../../src/sandbox/dockerIgnore.ts";
import { tarOf } from "../../src/sandbox/tarFile.ts";

function folder(files: Readonly<Record<string, string>>): string {
  const place = mkdtempSync(join(tmpdir(), "cairn-context-"));
  after(() => rmSync(place, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    writeFileSync(join(place, path), text);
  }
  return place;
}

function listed(tar: Buffer): readonly string[] {
  const { stdout, status } = spawnSync("tar", ["-tvf", "-"], { input: tar, encoding: "utf8" });
  assert.equal(status, 0);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^(.).{9}.*?\d\d:\d\d /, "$1 "));
}

const source = { dockerfile: "Dockerfile", context: "" };

test("what goes into a build is the folder without what .dockerignore and Cairn leave out", async () => {
  const place = folder({
    Dockerfile: "FROM x\n",
    ".dockerignore": "node_modules\n*.log\n!keep.log\n",
    "a.txt": "a",
    "b.log": "b",
    "keep.log": "c",
    "node_modules/x/index.js": "d",
    ".git/config": "e",
    ".env": "TOKEN=f",
    "app/.env.local": "TOKEN=g",
    "app/.env.example": "TOKEN=",
    ".cairn/sessions.db": "f",
  });
  const { tar, files, dockerfile } = await readBuildContext(place, source);
  assert.deepEqual(listed(tar), [
    "- .dockerignore",
    "- Dockerfile",
    "- a.txt",
    "d app/",
    "- app/.env.example",
    "- keep.log",
    "- .cairn.Dockerfile",
  ]);
  assert.equal(files, 5);
  assert.equal(dockerfile, "FROM x\n");
});

test("no link is followed: it goes into the build as a link, and none leads to the file or the context", async () => {
  const place = folder({ Dockerfile: "FROM x\n", "real/Dockerfile": "FROM y\n" });
  symlinkSync("/etc", join(place, "out"));
  symlinkSync("real", join(place, "linked"));
  symlinkSync("/etc/passwd", join(place, "Passwd"));
  const { tar } = await readBuildContext(place, source);
  assert.ok(listed(tar).includes("l out -> /etc"));
  assert.ok(!tar.includes("root:x:0"));
  for (const bad of [
    { dockerfile: "Passwd", context: "" },
    { dockerfile: "linked/Dockerfile", context: "" },
    { dockerfile: "Dockerfile", context: "linked" },
  ]) {
    await assert.rejects(readBuildContext(place, bad), { code: "sandbox.devContainer" });
  }
  await assert.rejects(readFolderText(place, "Passwd"), { message: /is a link/ });
  assert.equal(await readFolderText(place, "none/at/all"), null);
});

test("a pipe in the folder is not waited for", async () => {
  const place = folder({ Dockerfile: "FROM x\n" });
  spawnSync("mkfifo", [join(place, "pipe")]);
  const { files } = await readBuildContext(place, source);
  assert.equal(files, 1);
});

test("the same bytes have the same digest, and one other byte another", async () => {
  const one = await readBuildContext(folder({ Dockerfile: "FROM x\n", a: "1" }), source);
  const same = await readBuildContext(folder({ a: "1", Dockerfile: "FROM x\n" }), source);
  const other = await readBuildContext(folder({ a: "2", Dockerfile: "FROM x\n" }), source);
  assert.equal(one.digest, same.digest);
  assert.notEqual(one.digest, other.digest);
});

test("long names and links come through an archive whole", () => {
  const long = `${"d".repeat(90)}/${"ü".repeat(60)}`;
  const tar = tarOf([
    { path: "d".repeat(90), mode: 0o755, body: "directory" },
    { path: long, mode: 0o755, body: { file: Buffer.from("x".repeat(1000)) } },
    { path: "link", mode: 0o777, body: { link: long } },
  ]);
  const { stdout } = spawnSync("tar", ["-xOf", "-", long], { input: tar, encoding: "utf8" });
  assert.equal(stdout, "x".repeat(1000));
  assert.equal(listed(tar).length, 3);
});

test("lines of a .dockerignore mean what they mean to Docker", () => {
  const left = dockerIgnore("# c\n*/temp*\n**/*.tmp\n/top\ndocs/\n!docs/README.md\nx?z\n");
  const cases = { "a/temp1": true, "a/b/temp": false, "a/b/c.tmp": true, "z.tmp": true, top: true };
  const more = {
    "a/top": false,
    "docs/a.md": true,
    "docs/README.md": false,
    xyz: true,
    "x/z": false,
  };
  for (const [path, is] of Object.entries({ ...cases, ...more }))
    assert.equal(left(path), is, path);
});
