import assert from "node:assert/strict";
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { commandReader } from "../../src/command/commandReader.ts";
import type { CommandPart } from "../../src/core/action.ts";
import { CairnError } from "../../src/core/errors.ts";
import type { ExecResult, SandboxHost } from "../../src/core/ports.ts";
import { benign } from "../command/corpus.ts";
import { type Capabilities, run, type SandboxUnderTest, seen, text } from "./sandbox.ts";

/** Runs a line as the words that it was read as. */
export async function execute(
  sandbox: SandboxHost,
  command: string,
  { cwd = "/workspace", timeoutMs = 20_000 } = {},
): Promise<ExecResult> {
  const parts = commandReader().read(command, cwd);
  assert.ok(parts !== null, `not read: ${command}`);
  return sandbox.execute(parts, { signal: new AbortController().signal, timeoutMs, cwd });
}

/** What every sandbox promises of a command that runs as words, beside the session's shell. */
export function executeContract(
  name: string,
  make: () => Promise<SandboxUnderTest>,
  can: Capabilities,
): void {
  const testOfRealBash = can.realBash ? test : (): void => {};

  suite(`${name} runs words beside the session's shell`, () => {
    let under: SandboxUnderTest;
    let sandbox: SandboxHost;
    const output = async (command: string, cwd?: string): Promise<string> =>
      text((await execute(sandbox, command, cwd === undefined ? {} : { cwd })).stdout);
    before(async () => {
      under = await make();
      sandbox = under.sandbox;
      await sandbox.start();
      await mkdir(join(under.tree, "sub"));
      await writeFile(join(under.tree, "sub", "a b.txt"), "one\ntwo\nthree\n", { mode: 0o666 });
    });
    after(async () => under.close());

    test("a program gets exactly its words, and gives its output, code and directory", async () => {
      const result = await execute(sandbox, "printf '%s|' 'a  b' '$(x)' \"it's\" '' '*' '-n' ';'");
      assert.deepEqual(seen(result), ["exited", 0, "a  b|$(x)|it's||*|-n|;|", "", "/workspace"]);
      assert.deepEqual([result.truncated, result.fullOutput], [false, null]);
      const missing = await execute(sandbox, "cat missing", { cwd: "/workspace/sub" });
      assert.deepEqual([missing.exitCode, missing.cwd], [1, "/workspace/sub"]);
      assert.match(text(missing.stderr), /missing/u);
    });

    test("it runs where it is told to, and the session's shell stays where it is", async () => {
      await run(sandbox, "cd /tmp");
      assert.equal(await output("cat 'a b.txt'", "/workspace/sub"), "one\ntwo\nthree\n");
      assert.equal(text((await run(sandbox, "pwd")).stdout), "/tmp\n");
      await run(sandbox, "cd /workspace");
    });

    test("lists and pipes do what they say", async () => {
      assert.equal(await output("cat 'sub/a b.txt' | sort | head -n 1"), "one\n");
      assert.equal(await output("false && echo a || echo b; echo c"), "b\nc\n");
      assert.equal(await output("true && echo a || echo b"), "a\n");
      const result = await execute(sandbox, "cat missing 2>/dev/null; cat missing 2>&1 | wc -l");
      assert.deepEqual([text(result.stdout).trim(), text(result.stderr)], ["1", ""]);
      assert.equal((await execute(sandbox, "echo a >/dev/null; false")).exitCode, 1);
    });

    test("there is nothing on its standard input", async () => {
      const result = await execute(sandbox, "cat; wc -c", { timeoutMs: 5_000 });
      assert.deepEqual([result.status, text(result.stdout).trim()], ["exited", "0"]);
    });

    test("nothing that the session's shell was told reaches it", async () => {
      await writeFile(join(under.tree, "evil.sh"), "echo evil\n");
      const poison = [
        "ls() { echo evil; }; cat() { echo evil; }; cd() { echo evil; }; exec() { echo evil; }",
        "builtin() { echo evil; }; export -f ls cat cd exec builtin 2>/dev/null",
        "alias ls='echo evil' 2>/dev/null; shopt -s expand_aliases 2>/dev/null",
        "mkdir -p /workspace/bin; echo 'echo evil' >/workspace/bin/ls; chmod +x /workspace/bin/ls",
        "export PATH=/workspace/bin:$PATH BASH_ENV=/workspace/evil.sh ENV=/workspace/evil.sh",
        "export PROMPT_COMMAND='echo evil' LD_PRELOAD=/workspace/evil.so SHELLOPTS_X=1",
        "hash -p /workspace/bin/ls ls 2>/dev/null; hash -p /workspace/bin/ls cat 2>/dev/null",
        "trap 'echo evil' EXIT 2>/dev/null",
      ];
      for (const line of poison) await run(sandbox, line);
      assert.equal(await output("ls sub && cat 'sub/a b.txt' | head -n 1"), "a b.txt\none\n");
      await sandbox.stop();
      await sandbox.start();
    });

    void testOfRealBash(
      "a trap before each command and a loaded builtin do not reach it",
      async () => {
        await run(sandbox, "set -T; trap 'echo evil >&2' DEBUG");
        await run(
          sandbox,
          "enable -n test; set -x; exec 2>/dev/null; readonly PATH=/workspace/bin",
        );
        const result = await execute(sandbox, "test -d sub && ls sub");
        assert.deepEqual(seen(result).slice(1, 4), [0, "a b.txt\n", ""]);
        await sandbox.stop();
        await sandbox.start();
      },
    );

    void testOfRealBash("it is given three variables and no more", async () => {
      await run(sandbox, "export SECRET=known");
      const names = (await output("env"))
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("_="));
      assert.deepEqual(names.toSorted(), [
        "HOME=/nonexistent",
        "LANG=C.UTF-8",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
      ]);
    });

    test("a program of the workspace is never found by its name", async () => {
      await writeFile(join(under.tree, "zz-own"), "#!/bin/sh\necho evil\n", { mode: 0o777 });
      await run(sandbox, "cd /workspace; chmod +x zz-own");
      const result = await execute(sandbox, "zz-own");
      assert.deepEqual([result.exitCode, text(result.stdout)], [127, ""]);
    });

    test("it has its timeout and can be cancelled, and the session's shell lives on", async () => {
      await run(sandbox, "export WORD=kept");
      const slow = await execute(sandbox, "sleep 100", { timeoutMs: 500 });
      assert.deepEqual([slow.status, slow.exitCode], ["timedOut", null]);
      assert.ok(slow.durationMs < 5_000);
      const cancel = new AbortController();
      setTimeout(() => cancel.abort(), 200);
      const parts = commandReader().read("sleep 100; sleep 100", "/workspace") ?? [];
      const options = { signal: cancel.signal, timeoutMs: 20_000, cwd: "/workspace" };
      assert.equal((await sandbox.execute(parts, options)).status, "cancelled");
      assert.equal(text((await run(sandbox, "echo $WORD")).stdout), "kept\n");
    });

    void testOfRealBash("jobs of the session's shell go on beside it", async () => {
      await run(sandbox, "n=0; while sleep 0.02; do echo >> ticks; done & job=$!");
      for (let n = 0; n < 3; n += 1) assert.equal(await output("echo on"), "on\n");
      assert.equal(text((await run(sandbox, "kill -0 $job && echo lives")).stdout), "lives\n");
      await run(sandbox, "kill $job");
    });

    test("a shell that ends afterwards ends with its own exit code", async () => {
      assert.equal((await execute(sandbox, "false")).exitCode, 1);
      assert.equal((await run(sandbox, "exit 3")).exitCode, 3);
      assert.equal(text((await run(sandbox, "echo on")).stdout), "on\n");
    });

    test("calls queue with those of the shell, in order", async () => {
      await run(sandbox, "cd /workspace; rm -f order; echo 0 > order");
      const [first, , second] = await Promise.all([
        execute(sandbox, "cat order"),
        run(sandbox, "sleep 0.2; echo 1 > order"),
        execute(sandbox, "cat order"),
      ]);
      assert.deepEqual([text(first.stdout), text(second.stdout)], ["0\n", "1\n"]);
    });

    test("a directory that is none is said, and nothing runs", async () => {
      for (const cwd of ["/workspace/none", "/workspace/sub/a b.txt"]) {
        await assert.rejects(
          execute(sandbox, "echo ran", { cwd }),
          (error) => CairnError.is(error, "sandbox.unavailable") && error.message.includes(cwd),
        );
      }
      assert.equal(await output("echo on"), "on\n");
    });

    test("the log has what was written, and what came of it", async () => {
      const from = under.lines.length;
      await execute(sandbox, "echo 'a b' 2>/dev/null | cat");
      assert.deepEqual(under.lines.slice(from), [
        "$ echo 'a b' 2>/dev/null | cat",
        "→ exit 0, 4 chars, cwd /workspace",
      ]);
    });

    void testOfRealBash(
      "a repository's own settings run no program when git only reads",
      async () => {
        await run(sandbox, repository);
        await symlink("/etc/hostname", join(under.tree, "repository", "link"));
        const cwd = "/workspace/repository";
        for (const command of [
          "git status",
          "git status --short",
          "git diff",
          "git diff --cached",
          "git log -p",
          "git log --oneline -n 1",
          "git show HEAD",
          "git show HEAD:tracked",
          "git blame tracked",
          "git branch --list",
          "git tag -l",
          "git rev-parse --abbrev-ref HEAD",
          "git ls-files -m",
          "git grep -n word",
          "git describe --always",
          "git shortlog -s HEAD",
        ]) {
          const parts = commandReader().read(command, cwd) ?? [];
          assert.deepEqual(effects(parts), ["reads"], command);
          const result = await execute(sandbox, command, { cwd });
          assert.equal(result.exitCode, 0, `${command}: ${text(result.stderr)}`);
          const ran = await readFile(join(under.tree, "ran"), "utf8").catch(() => "nothing");
          assert.equal(ran, "nothing", command);
        }
        assert.match(await output("git status --short", cwd), /^ M tracked$/mu);
        assert.match(await output("git diff", cwd), /^\+a changed word$/mu);
      },
    );

    void testOfRealBash("what is asked for all day changes nothing", async () => {
      await run(sandbox, repository);
      const found = await look(under.tree);
      for (const command of benign) {
        const result = await execute(sandbox, command, { cwd: "/workspace/repository" });
        assert.equal(result.status, "exited", command);
        assert.deepEqual(await look(under.tree), found, command);
      }
    });
  });
}

/** That a sandbox which is made of another one hands this on, whole. */
export function executeHandedOn(name: string, make: () => Promise<SandboxUnderTest>): void {
  test(`${name} runs words beside the session's shell, and gives their output, code and directory`, async () => {
    const under = await make();
    const { sandbox } = under;
    try {
      const result = await execute(sandbox, "printf '%s|' 'a  b' '$(x)' | cat; false", {
        cwd: "/tmp",
      });
      assert.deepEqual(seen(result), ["exited", 1, "a  b|$(x)|", "", "/tmp"]);
      assert.equal(text((await run(sandbox, "pwd")).stdout), "/workspace\n");
    } finally {
      await under.close();
    }
  });
}

/** Every file and folder, with when it was changed. */
async function look(tree: string): Promise<readonly string[]> {
  const names = await readdir(tree, { recursive: true });
  const lines = names.map(async (name) => {
    const { mtimeMs, ctimeMs, size } = await lstat(join(tree, name));
    return `${name} ${mtimeMs} ${ctimeMs} ${size}`;
  });
  return (await Promise.all(lines)).toSorted();
}

function effects(parts: readonly CommandPart[]): readonly string[] {
  return parts.map(({ effect }) => effect);
}

/** Everything in a repository that names a program names one that leaves a mark. */
const repository = String.raw`
cd /workspace && rm -rf repository ran && mkdir repository && cd repository
git init -q . && git config user.email a@example.org && git config user.name a
echo 'a word' >tracked && git add . && git commit -qm first && git tag v1
printf '#!/bin/sh\necho "$0 $*" >>/workspace/ran\ncat\n' >/workspace/mark && chmod +x /workspace/mark
for name in fsmonitor pager editor sshCommand askPass; do git config "core.$name" /workspace/mark; done
git config diff.external /workspace/mark
git config diff.mine.textconv /workspace/mark
git config diff.mine.command /workspace/mark
for filter in mine 'a=b.c d'; do
  for name in clean smudge process; do git config "filter.$filter.$name" /workspace/mark; done
done
git config log.showSignature true && git config gpg.program /workspace/mark
git config format.pretty '%G? %s' && git config pretty.mine '%G?'
git config core.hooksPath /workspace/hooks && mkdir -p /workspace/hooks
for hook in post-index-change post-checkout pre-auto-gc; do cp /workspace/mark "/workspace/hooks/$hook"; done
git config status.submoduleSummary true && git config diff.submodule diff && git config pager.log /workspace/mark
git config interactive.diffFilter /workspace/mark && git config sequence.editor /workspace/mark
printf 'tracked diff=mine filter=mine\nother filter=a=b.c\n' >.gitattributes
echo 'a changed word' >tracked; touch tracked; rm -f /workspace/ran; true
`;
