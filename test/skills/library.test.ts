import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ToolOutput } from "../../src/core/records.ts";
import { DirectorySkills } from "../../src/skills/directorySkills.ts";
import { skillTool } from "../../src/tools/skill.ts";

function library(
  context: TestContext,
  files: Readonly<Record<string, string>>,
): { readonly path: string; readonly skills: DirectorySkills } {
  const path = mkdtempSync(join(tmpdir(), "cairn-library-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return { path, skills: new DirectorySkills(path) };
}

async function call(skills: DirectorySkills, args: object): Promise<ToolOutput> {
  const prepared = skillTool(skills).prepare({
    id: "c1",
    tool: "skill",
    args: JSON.stringify(args),
  });
  assert.equal(prepared.kind, "run");
  return prepared.run({ signal: AbortSignal.timeout(5000), timeoutMs: 5000, operation: "o" });
}

test("skills are listed by name with one line of description", async (context) => {
  const { skills } = library(context, {
    "b/SKILL.md": "---\nname: b\ndescription: >\n  Two\n  lines\n---\nBody",
    "skills/a/SKILL.md": `---\ndescription: ${"x".repeat(900)}\n---\n`,
    "none/SKILL.md": "no header",
    "wrong/SKILL.md": "---\ndescription: [1\n---\n",
    "notes/README.md": "not a skill",
    "README.md": "not a skill",
  });
  const listed = await skills.list();
  assert.deepEqual(
    listed.map(({ name, description }) => [name, description.length > 100 ? "long" : description]),
    [
      ["a", "long"],
      ["b", "Two lines"],
      ["none", "(its SKILL.md has no description)"],
      ["wrong", "(its SKILL.md has no description)"],
    ],
  );
  assert.equal(listed[0]?.description.length, 500);
});

test("the 201st skill is not listed", async (context) => {
  const many = Array.from({ length: 201 }, (_, n) => `s${String(n).padStart(3, "0")}`);
  const { skills } = library(
    context,
    Object.fromEntries(many.map((name) => [`${name}/SKILL.md`, "---\ndescription: d\n---\n"])),
  );
  const listed = await skills.list();
  assert.deepEqual([listed.length, listed.at(-1)?.name], [200, "s199"]);
});

test("a file of 100,001 bytes is read with its end cut off, one of 100,000 whole", async (context) => {
  const { skills } = library(context, {
    "s/SKILL.md": "x",
    "s/whole.md": "x".repeat(100_000),
    "s/long.md": `${"x".repeat(99_999)}éy`,
  });
  const whole = await skills.read("s", "whole.md");
  assert.deepEqual([whole?.text.length, whole?.truncated], [100_000, false]);
  assert.deepEqual(await skills.read("s", "long.md"), {
    text: "x".repeat(99_999),
    truncated: true,
  });
});

test("a path out of the skill, a link and a folder are refused", async (context) => {
  const { path, skills } = library(context, {
    "s/SKILL.md": "x",
    "other/SKILL.md": "x",
    "s/sub/f.md": "f",
  });
  symlinkSync("/etc/passwd", join(path, "s/link.md"));
  symlinkSync("/etc", join(path, "s/etc"));
  const out = [
    "../other/SKILL.md",
    "/etc/passwd",
    "sub/../../x",
    "..\\x",
    "C:\\x",
    "link.md",
    "etc/passwd",
    "sub",
  ];
  for (const refused of out) {
    await assert.rejects(skills.read("s", refused), { code: "skills.unsafe" }, refused);
  }
  assert.deepEqual(await skills.read("s", "sub/f.md"), { text: "f", truncated: false });
  assert.equal(await skills.read("s", "missing.md"), null);
  assert.equal(await skills.read("../s", ""), null);
});

test("the model lists skills, reads one, and is told what there is when it asks for another", async (context) => {
  const { skills } = library(context, {
    "deploy/SKILL.md": "---\ndescription: How to deploy\n---\nStep one\n",
    "test/SKILL.md": "---\ndescription: How to test\n---\n",
  });
  assert.deepEqual(await call(skills, { action: "list" }), {
    ok: true,
    text: "deploy: How to deploy\ntest: How to test",
  });
  const read = await call(skills, { action: "read", skill: "deploy" });
  assert.deepEqual(read, {
    ok: true,
    text: "---\ndescription: How to deploy\n---\nStep one\n",
  });
  assert.deepEqual(await call(skills, { action: "read", skill: "nope" }), {
    ok: false,
    text: 'There is no skill "nope". There are: deploy, test.',
  });
  assert.deepEqual(await call(skills, { action: "read", skill: "deploy", path: "x.md" }), {
    ok: false,
    text: "The skill deploy has no file x.md.",
  });
  const out = await call(skills, { action: "read", skill: "deploy", path: "../test/SKILL.md" });
  assert.equal(out.ok, false);
});

test("what the operator sees of a skill call is made from its arguments", (context) => {
  const tool = skillTool(library(context, {}).skills);
  const shown = [{ action: "list" }, { action: "read", skill: "a", path: "b.md" }].map((args) => {
    const prepared = tool.prepare({ id: "c", tool: "skill", args: JSON.stringify(args) });
    return prepared.kind === "run" ? [prepared.what, prepared.effect] : prepared.kind;
  });
  assert.deepEqual(shown, [
    ["list skills", "none"],
    ["read skill a b.md", "none"],
  ]);
  assert.equal(tool.prepare({ id: "c", tool: "skill", args: "{}" }).kind, "refused");
});
