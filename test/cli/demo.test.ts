import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Cairn } from "./cairn.ts";

const sample = new URL("../../media/demo", import.meta.url).pathname;
const cairn = new Cairn();
after(() => cairn.remove());

async function parkedAtApply(name: string): Promise<{ workspace: string; id: string }> {
  const workspace = join(cairn.place, name);
  cpSync(sample, workspace, { recursive: true });
  const where = ["--workspace", workspace];
  const ran = await cairn.run(["run", "--demo", "--sandbox", "embedded", ...where]);
  assert.equal(ran.code, 3, ran.stderr);
  const [session] = await cairn.sessions(workspace);
  const [wait] = session?.waits ?? [];
  assert.ok(session !== undefined && wait !== undefined);
  assert.match(ran.stderr, new RegExp(`cairn answer .*${session.session} ${wait.wait} `));
  const answered = await cairn.run([
    "answer",
    session.session,
    wait.wait,
    wait.suggested,
    ...where,
  ]);
  assert.equal(answered.code, 3, answered.stderr);
  return { workspace, id: session.session };
}

test("the demo session asks twice, shows the real diff, and changes the folder only after the approval", async () => {
  const { workspace, id } = await parkedAtApply("approved");
  const before = readFileSync(join(sample, "total.sh"), "utf8");
  assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), before);
  const shown = await cairn.run(["show", id, "--workspace", workspace]);
  assert.match(shown.stdout, /modified total\.sh[\s\S]*^ *-[\s\S]*^ *\+/m);
  const done = await cairn.run([
    "answer",
    id,
    "apply/proposed/approval",
    "approve",
    "--workspace",
    workspace,
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.notEqual(readFileSync(join(workspace, "total.sh"), "utf8"), before);
  assert.match(done.stdout, /Applied 1 file to your folder/);
});

test("a file that the user changed meanwhile is left as it is, and the answer says so", async () => {
  const { workspace, id } = await parkedAtApply("edited");
  const mine = "# my own edit, made while the agent worked\n";
  writeFileSync(join(workspace, "total.sh"), mine);
  const done = await cairn.run([
    "answer",
    id,
    "apply/proposed/approval",
    "approve",
    "--workspace",
    workspace,
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), mine);
  assert.match(done.stdout, /Nothing was applied/);
});

test("a rejected apply leaves the folder alone and can be asked for again", async () => {
  const { workspace, id } = await parkedAtApply("rejected");
  const where = ["--workspace", workspace];
  const before = readFileSync(join(workspace, "total.sh"), "utf8");
  assert.equal(
    (await cairn.run(["answer", id, "apply/proposed/approval", "reject: later", ...where])).code,
    0,
  );
  assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), before);
  assert.equal((await cairn.run(["apply", id, ...where])).code, 3);
  assert.equal((await cairn.run(["answer", id, "apply/1/approval", "approve", ...where])).code, 0);
  assert.notEqual(readFileSync(join(workspace, "total.sh"), "utf8"), before);
});

test("replay makes a new session from the records: no model call, no command, same ending", async () => {
  const { workspace, id } = await parkedAtApply("replayed");
  const where = ["--workspace", workspace];
  await cairn.run(["answer", id, "apply/proposed/approval", "approve", ...where]);
  const source = await cairn.records(workspace, id);
  const applied = readFileSync(join(workspace, "total.sh"), "utf8");
  const replayed = await cairn.run(["replay", id, ...where]);
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.doesNotMatch(replayed.stderr, /\$ /, "no command ran");
  assert.match(replayed.stdout, /\(replayed\)/);
  assert.deepEqual(await cairn.records(workspace, id), source);
  assert.equal(readFileSync(join(workspace, "total.sh"), "utf8"), applied);
  assert.equal((await cairn.sessions(workspace)).length, 2);
});

test("--json prints one record a line and nothing else", async () => {
  const workspace = join(cairn.place, "json");
  cpSync(sample, workspace, { recursive: true });
  const ran = await cairn.run([
    "run",
    "--demo",
    "--json",
    "--sandbox",
    "embedded",
    "--workspace",
    workspace,
  ]);
  const lines = ran.stdout.trimEnd().split("\n");
  const sequence = lines.map((line) => /"seq":(\d+)/.exec(line)?.[1]);
  assert.deepEqual(
    sequence,
    lines.map((_, index) => String(index + 1)),
  );
  assert.equal(ran.stderr, "");
});

test("unattended, the demo's question is denied: it ends by itself with exit code 4", async () => {
  const workspace = join(cairn.place, "unattended");
  cpSync(sample, workspace, { recursive: true });
  const ran = await cairn.run([
    "run",
    "--demo",
    "--unattended",
    "--sandbox",
    "embedded",
    "--workspace",
    workspace,
  ]);
  assert.equal(ran.code, 4, ran.stderr);
});

test("skills from a git repository: the commit and the digest are in the session's record", async () => {
  const repository = join(cairn.place, "skills.git-source");
  cpSync(new URL("../../skills", import.meta.url).pathname, repository, { recursive: true });
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-C", repository, "-c", "user.name=t", "-c", "user.email=t@t", ...args], {
      encoding: "utf8",
    }).trim();
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-qm", "skills");
  const workspace = join(cairn.place, "git-skills");
  cpSync(sample, workspace, { recursive: true });
  const source = `git+file://${repository}#main`;
  const run = ["run", "--demo", "--sandbox", "embedded", "--skills", source];
  const ran = await cairn.run([...run, "--workspace", workspace]);
  assert.equal(ran.code, 3, ran.stderr);
  const [session] = await cairn.sessions(workspace);
  const [first] = await cairn.records(workspace, session?.session ?? "");
  assert.ok(first?.kind === "session.started");
  assert.equal(first.spec.skills?.commit, git("rev-parse", "HEAD"));
  assert.match(first.spec.skills?.digest ?? "", /^[0-9a-f]{64}$/);
  assert.match(ran.stdout, /name: fix-a-failing-test/);
});

test("the copy is removed when a session has ended, and the store ignores itself in git", async () => {
  const { workspace, id } = await parkedAtApply("tidy");
  await cairn.run(["answer", id, "apply/proposed/approval", "approve", "--workspace", workspace]);
  assert.deepEqual(readdirSync(join(cairn.home, "sessions", id, "copies")), []);
  assert.equal(readFileSync(join(workspace, ".cairn", ".gitignore"), "utf8"), "*\n");
});
