import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import { Cairn } from "./cairn.ts";
import { scriptedServer, type Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());

interface Desk {
  readonly workspace: string;
  readonly session: string;
  readonly run: (...args: readonly string[]) => ReturnType<Cairn["run"]>;
  readonly user: (path: string) => string;
}

/** A session over these files whose model gives these commands, one call each, run to its rest. */
async function desk(
  files: Readonly<Record<string, string>>,
  commands: readonly string[],
  options: readonly string[] = [],
): Promise<Desk & { readonly stderr: string; readonly stdout: string }> {
  const workspace = cairn.folder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(workspace, path)), { recursive: true });
    writeFileSync(join(workspace, path), text);
  }
  const replies: Reply[] = commands.map((command, index) => ({
    text: "",
    calls: [{ id: `call_${index + 1}`, tool: "exec", args: { command } }],
  }));
  const server = await scriptedServer([...replies, { text: "done" }]);
  after(async () => server.close());
  const run = async (...args: readonly string[]) =>
    cairn.run([...args, "--workspace", workspace], { environment: { OPENAI_API_KEY: "k" } });
  const model = ["--model-url", server.url, "--model", "m", "--sandbox", "embedded"];
  const { stderr, stdout } = await run("run", "--goal", "Go.", ...model, ...options);
  const [session] = await cairn.sessions(workspace);
  assert.ok(session, stderr);
  const user = (path: string): string => readFileSync(join(workspace, path), "utf8");
  return { workspace, session: session.session, run, user, stderr, stdout };
}

suite("the files of a session", () => {
  test("what its copy leaves out is said before the start, and is not there", async () => {
    const { stderr, stdout } = await desk(
      {
        "a.txt": "a",
        "dist/big.js": "x",
        "docs/x.pdf": "x",
        "docs/x.md": "x",
        "logs/today.log": "x",
        ".git/config": "x",
        ".cairnignore": "# generated\ndist/\n*.log\n",
      },
      ["find . -type f | sort"],
      ["--exclude", "/docs/*.pdf"],
    );
    assert.match(
      stderr,
      /^The session gets a copy of 3 files, \d+ bytes; left out of it:\n( {2}.+\n)+/,
    );
    for (const line of [
      ".git (the session gets no history, and git runs hooks)",
      "dist (excluded by dist/)",
      "docs/x.pdf (excluded by /docs/*.pdf)",
      "logs/today.log (excluded by *.log)",
    ]) {
      assert.ok(stderr.includes(`  ${line}\n`), line);
    }
    assert.match(stdout, /\.\/\.cairnignore\n\s+\.\/a\.txt\n\s+\.\/docs\/x\.md/);
    assert.doesNotMatch(stdout, /\.\/dist|today\.log\n|\.\/docs\/x\.pdf/);
  });

  test("a pattern that means nothing is refused before anything is made", async () => {
    const workspace = cairn.folder({ a: "a" });
    const bad = ["run", "--demo", "--exclude", "[z-a]", "--workspace", workspace];
    const { code, stderr } = await cairn.run(bad);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /"\[z-a\]" excludes nothing\. Write a name like dist.* \[usage\.invalid\]/,
    );
    assert.deepEqual(await cairn.sessions(workspace), []);
  });

  test("any two steps can be compared, forward and back", async () => {
    const { run, session } = await desk({ "a.txt": "one\n" }, [
      "echo two > a.txt",
      "echo new > b.txt",
    ]);
    const both = await run("diff", session, "start", "now");
    assert.match(both.stdout, /^modified a\.txt\n[\s\S]*-one\n\+two\n[\s\S]*added b\.txt/);
    const second = await run("diff", session, "call_1", "call_2");
    assert.match(second.stdout, /^added b\.txt\n/);
    assert.doesNotMatch(second.stdout, /a\.txt/);
    const back = await run("diff", session, "call_2", "turn/1/tool/call_1");
    assert.match(back.stdout, /^deleted b\.txt\n/);
    const unknown = await run("diff", session, "start", "call_9");
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.stderr,
      /There is no step call_9 .*turn\/1\/tool\/call_1.*selector\.unknown/,
    );
  });

  test("an apply is taken back but for what was changed since, with every mode and deletion", async () => {
    const here = await desk({ "a.txt": "one\n", "gone.txt": "bye\n", "mine.txt": "1\n" }, [
      "echo two > a.txt; rm gone.txt; echo 2 > mine.txt; mkdir new; echo x > new/b.txt",
    ]);
    const { run, session, user, workspace } = here;
    const applied = await run("answer", session, "apply/proposed/approval", "approve");
    assert.equal(applied.code, 0, applied.stderr);
    assert.equal(user("a.txt"), "two\n");
    assert.ok(!existsSync(join(workspace, "gone.txt")));
    writeFileSync(join(workspace, "mine.txt"), "my own\n");

    const asked = await run("undo", session);
    assert.equal(asked.code, 3, asked.stderr);
    assert.match(asked.stdout, /Take back 3 changes in your folder\?/);
    assert.match(asked.stdout, /Replace mine\.txt, which you changed since the apply\?/);
    assert.match(asked.stdout, /in your folder: Changed by you[^]+instead: As it was[^]+-my own/);
    assert.equal(user("a.txt"), "two\n", "nothing before the answer");
    await run("answer", session, "undo/1/approval", "approve");
    const undone = await run("answer", session, "undo/1/conflict/1", "reject: mine");
    assert.match(undone.stdout, /left alone: mine\.txt \(You changed it .*; you kept yours/);
    assert.match(undone.stdout, /Took back 3 files in your folder\. 1 file left as it was\./);
    assert.deepEqual(
      [user("a.txt"), user("gone.txt"), user("mine.txt")],
      ["one\n", "bye\n", "my own\n"],
    );
    assert.ok(!existsSync(join(workspace, "new")), "the folder that it made is gone too");
    const again = await run("undo", session);
    assert.match(again.stderr, /applied nothing .* that could be taken back\. \[apply\.nothing\]/);
  });

  test("a file that was changed since is replaced only after a yes of its own, and what it was comes back by undoing once more", async () => {
    const here = await desk({ "mine.txt": "1\n" }, ["echo 2 > mine.txt"]);
    const { run, session, user, workspace } = here;
    await run("answer", session, "apply/proposed/approval", "approve");
    writeFileSync(join(workspace, "mine.txt"), "my own\n");
    await run("undo", session);
    writeFileSync(join(workspace, "mine.txt"), "my own, later\n");
    const late = await run("answer", session, "undo/1/conflict/1", "approve");
    assert.match(
      late.stdout,
      /Nothing was taken back: mine\.txt in your folder is not what it was/,
    );
    assert.equal(user("mine.txt"), "my own, later\n");

    await run("undo", session);
    const replaced = await run("answer", session, "undo/2/conflict/1", "approve");
    assert.equal(user("mine.txt"), "1\n", replaced.stderr);
    assert.match(replaced.stdout, /kept as you had it: mine\.txt/);
    const shown = await run("show", session);
    assert.match(shown.stdout, /undo\/2\/keep [^]+undo\/2 [^]+kept as you had it: mine\.txt/);
    await run("undo", session);
    await run("answer", session, "undo/3/approval", "approve");
    assert.equal(user("mine.txt"), "my own, later\n");
  });

  test("killed between the yes and the end of the undo, it loses nothing of what the user had", async () => {
    const { run, session, user, workspace } = await desk({ "mine.txt": "1\n" }, [
      "echo 2 > mine.txt",
    ]);
    await run("answer", session, "apply/proposed/approval", "approve");
    writeFileSync(join(workspace, "mine.txt"), "my own\n");
    await run("undo", session);
    const yes = ["answer", session, "undo/1/conflict/1", "approve", "--workspace", workspace];
    const killed = await cairn.run(yes, { killWhen: /undo\/1\/keep/ });
    assert.equal(killed.signal, "SIGKILL", killed.stdout);
    let last = await run("resume", session);
    if (last.code === 3) last = await run("answer", session, "undo/1/inDoubt/1", "again");
    assert.equal(user("mine.txt"), "1\n", last.stderr);
    await run("undo", session);
    await run("answer", session, "undo/2/approval", "approve");
    assert.equal(user("mine.txt"), "my own\n");
  });

  test("a file that an editor runs is a card of its own, and left alone unless it is approved", async () => {
    const { run, session, user, workspace } = await desk({ "a.txt": "1" }, [
      "echo 2 > a.txt; mkdir .vscode; echo '{}' > .vscode/tasks.json; echo x > .envrc",
    ]);
    const [waiting] = await cairn.sessions(workspace);
    assert.deepEqual(
      waiting?.waits.map(({ wait }) => wait),
      ["apply/proposed/approval", "apply/proposed/protected/1", "apply/proposed/protected/2"],
    );
    await run("answer", session, "apply/proposed/approval", "approve");
    await run("answer", session, "apply/proposed/protected/1", "approve");
    const done = await run("answer", session, "apply/proposed/protected/2", "reject: no");
    assert.equal(done.code, 0, done.stderr);
    assert.equal(user("a.txt"), "2\n");
    assert.equal(user(".envrc"), "x\n");
    assert.ok(!existsSync(join(workspace, ".vscode")));
    assert.match(done.stdout, /left alone: \.vscode\/tasks\.json \(Protected, for an editor/);
  });

  test("what a checkpoint cannot hold is said to the model and is on record", async () => {
    const { workspace, session } = await desk({ a: "a" }, [
      "printf '%21000000s' x > big.bin; echo ok",
      "echo again",
    ]);
    const outputs = (await cairn.records(workspace, session)).flatMap((record) =>
      record.kind === "step.completed" && record.stepKind === "tool" ? [record.output] : [],
    );
    assert.match(JSON.stringify(outputs[0]), /Not part of the checkpoint.*big\.bin \(it is larger/);
    assert.match(JSON.stringify(outputs[1]), /"leftOut":\[\{"path":"big\.bin"/);
    assert.doesNotMatch(JSON.stringify(outputs[1]), /Not part of the checkpoint/);
  });

  test("the list can say what each session takes", async () => {
    const { run, session } = await desk({ a: "a".repeat(3000) }, ["echo x > b"]);
    const { stdout } = await run("sessions", "--sizes");
    assert.match(stdout, new RegExp(`^${session} +waiting.* \\d+(\\.\\d)? (KB|bytes)`));
    const json = await run("sessions", "--sizes", "--json");
    assert.match(json.stdout, /"bytes":\d{3,}/);
  });
});
