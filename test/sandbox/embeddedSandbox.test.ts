import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { EmbeddedSandbox } from "../../src/sandbox/embeddedSandbox.ts";
import { executeContract } from "../contracts/execute.ts";
import { fileToolsContract } from "../contracts/fileTools.ts";
import { run, sandboxContract, type SandboxUnderTest, seen, text } from "../contracts/sandbox.ts";

const worker = new URL("../../src/sandbox/embeddedWorker.ts", import.meta.url);

async function makePlace(): Promise<SandboxUnderTest> {
  const state = await mkdtemp(join(tmpdir(), "cairn-embedded-"));
  const tree = join(state, "workspace");
  const lines: string[] = [];
  const sandbox = new EmbeddedSandbox({ tree, state, worker, log: (line) => lines.push(line) });
  const close = async (): Promise<void> => {
    await sandbox.stop();
    await rm(state, { recursive: true, force: true });
  };
  return { sandbox, tree, state, lines, close };
}

sandboxContract("the embedded sandbox", makePlace, { realBash: false });
executeContract("the embedded sandbox", makePlace, { realBash: false });
fileToolsContract("the embedded sandbox", makePlace, { realBash: false });

suite("the embedded sandbox sees nothing but the session's own files", () => {
  let place: SandboxUnderTest;
  const output = async (command: string): Promise<string> =>
    text((await run(place.sandbox, command)).stdout);
  before(async () => {
    place = await makePlace();
    await place.sandbox.start();
    await writeFile(join(place.state, "secret"), "SECRET\n");
    await mkdir(join(place.tree, "sub"));
    await writeFile(join(place.tree, "sub", "real"), "real\n");
    await symlink("sub/real", join(place.tree, "inward"));
    await symlink(join(place.state, "secret"), join(place.tree, "outward"));
    await symlink("../secret", join(place.tree, "relative"));
    await symlink("..", join(place.tree, "up"));
    await symlink(join(place.state, "absent"), join(place.tree, "dangling"));
  });
  after(async () => place.close());

  test("files and variables of the host are not there", async () => {
    process.env["CAIRN_TEST_SECRET"] = "SECRET";
    assert.equal(await output("ls /"), "agent\ndev\ntmp\nworkspace\n");
    const tries = "cat /etc/passwd /proc/self/environ /workspace/../../etc/passwd; env";
    assert.doesNotMatch(await output(tries), /root:|SECRET/u);
  });

  test("a link inside is followed, a link out of the tree is not", async () => {
    assert.equal(await output("cat inward"), "real\n");
    for (const path of ["outward", "relative", "up/secret", "../secret", "dangling"]) {
      const commands = [`cat ${path}`, `cp ${path} copy; cat copy`, `grep -r SECRET . ${path}`];
      for (const command of commands) assert.doesNotMatch(await output(command), /SECRET/u, path);
      for (const command of [`echo x > ${path}`, `echo x | tee ${path}`, `touch ${path}`]) {
        await run(place.sandbox, command);
      }
    }
    await run(place.sandbox, "ln -s ../../secret own; cat own; echo x > own; rm -rf up/secret up/");
    assert.equal(await readFile(join(place.state, "secret"), "utf8"), "SECRET\n");
    assert.deepEqual((await readdir(place.state)).toSorted(), [
      "logs",
      "runtime",
      "secret",
      "tmp",
      "workspace",
    ]);
  });

  test("a shell whose thread was ended goes on where it was: directory, variables, /tmp", async () => {
    await output("cd /tmp; echo kept > file; export KEPT=yes");
    await run(place.sandbox, "while true; do :; done", 300);
    assert.equal(await output("pwd; cat file; echo $KEPT"), "/tmp\nkept\nyes\n");
    await output("cd /workspace");
  });

  test("it says what of its variables makes a command mean something else", async () => {
    assert.equal(await place.sandbox.shellDiffers?.(), "");
    await output("PATH=/tmp/bin:$PATH; export BASH_ENV=/tmp/x");
    assert.equal(
      await place.sandbox.shellDiffers?.(),
      "The shell differs from a clean one: PATH changed, BASH_ENV set.",
    );
    await output("PATH=/usr/bin:/bin; unset BASH_ENV");
  });

  test("there is no network", async () => {
    const result = await run(place.sandbox, "curl http://127.0.0.1/");
    assert.equal(result.exitCode, 127);
  });

  test("a program that it does not have is said to need another sandbox", async () => {
    const result = await run(place.sandbox, "cd /workspace; git status");
    assert.deepEqual(seen(result), [
      "exited",
      127,
      "",
      "bash: git: command not found\nThe embedded sandbox has no git. It needs the bubblewrap or docker sandbox (--sandbox bubblewrap).\n",
      "/workspace",
    ]);
    const unknown = await run(place.sandbox, "nonsense");
    assert.deepEqual(
      [unknown.exitCode, text(unknown.stderr)],
      [127, "bash: nonsense: command not found\n"],
    );
  });

  test("directory and variables outlive a loop that had to be ended", async () => {
    await run(place.sandbox, "cd /tmp; export WORD=kept");
    assert.equal((await run(place.sandbox, "while :; do :; done", 300)).status, "timedOut");
    assert.deepEqual(seen(await run(place.sandbox, "echo $WORD")).slice(2), ["kept\n", "", "/tmp"]);
  });

  test("a command that cannot be parsed leaves directory and variables alone", async () => {
    await run(place.sandbox, "cd /tmp; export WORD=kept");
    await run(place.sandbox, "if then");
    assert.equal(await output("pwd; echo $WORD"), "/tmp\nkept\n");
  });
});
