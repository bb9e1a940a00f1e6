import assert from "node:assert/strict";
import { lstat, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { ExecResult, Sandbox, SandboxHost } from "../../src/core/ports.ts";
import { sandboxInfo } from "../../src/core/sandboxInfo.ts";

export interface SandboxUnderTest {
  readonly sandbox: SandboxHost;
  readonly tree: string;
  readonly state: string;
  /** What was logged so far. */
  readonly lines: readonly string[];
  close(): Promise<void>;
}

export interface Capabilities {
  /** A real bash and real processes; the simulated shell has neither jobs nor exact bytes. */
  readonly realBash: boolean;
}

/** Runs a command with a timeout that only a test of timeouts reaches. */
export async function run(
  sandbox: Sandbox,
  command: string,
  timeoutMs = 20_000,
): Promise<ExecResult> {
  return sandbox.run(command, { signal: new AbortController().signal, timeoutMs });
}

/** The parts of a result that people see. */
export function seen(result: ExecResult): readonly unknown[] {
  return [result.status, result.exitCode, text(result.stdout), text(result.stderr), result.cwd];
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

async function sizeOf(path: string): Promise<number> {
  return (await lstat(path)).size;
}

/** What every sandbox promises, whatever stands behind it. */
export function sandboxContract(
  name: string,
  make: () => Promise<SandboxUnderTest>,
  can: Capabilities,
): void {
  // What the built-in shell honestly cannot do is no part of its contract.
  const testOfRealBash = can.realBash ? test : (): void => {};

  suite(`${name} keeps the contract of a sandbox`, () => {
    let under: SandboxUnderTest;
    let sandbox: SandboxHost;
    before(async () => {
      under = await make();
      sandbox = under.sandbox;
    });
    after(async () => under.close());

    test("it says what would run before anything runs", async () => {
      const info = await sandbox.probe();
      assert.deepEqual(sandboxInfo.parse(info), info);
      assert.deepEqual(under.lines, []);
    });

    test("the log says what started, what ran, what came of it and that it stopped", async (context) => {
      const other = await make();
      context.after(async () => other.close());
      await run(other.sandbox, "cd /tmp; echo hello");
      await other.sandbox.stop();
      const [started, ...lines] = other.lines;
      assert.match(started ?? "", new RegExp(`^started \\(.*workspace ${other.tree}\\)$`, "u"));
      assert.deepEqual(lines, ["$ cd /tmp; echo hello", "→ exit 0, 6 chars, cwd /tmp", "stopping"]);
    });

    test("what it uses is counted while it runs", async () => {
      await run(sandbox, "for i in 1 2 3 4 5 6 7 8 9; do echo $i; done");
      const usage = await sandbox.usage();
      assert.ok(usage !== null && usage.memoryBytes > 500_000, JSON.stringify(usage));
      assert.ok(usage.memoryBytes < 500_000_000 && usage.cpuMs >= 0, JSON.stringify(usage));
    });

    test("a command has an exit code, and stdout and stderr apart", async () => {
      const result = await run(sandbox, "cd /workspace; echo out; echo err >&2; (exit 42)");
      assert.deepEqual(seen(result), ["exited", 42, "out\n", "err\n", "/workspace"]);
      assert.deepEqual([result.truncated, result.fullOutput], [false, null]);
    });

    test("directory and exported variables are there for the next command", async () => {
      await run(sandbox, "cd /tmp; export WORD=kept");
      assert.deepEqual(seen(await run(sandbox, "pwd; echo $WORD")), [
        "exited",
        0,
        "/tmp\nkept\n",
        "",
        "/tmp",
      ]);
    });

    void testOfRealBash(
      "functions, plain variables, jobs and descriptors are there too",
      async () => {
        await run(
          sandbox,
          "word=plain; say() { echo $word; }; exec 5>/tmp/five; sleep 100 & job=$!",
        );
        const result = await run(
          sandbox,
          "say; echo five >&5; cat /tmp/five; kill -0 $job && echo on",
        );
        assert.equal(text(result.stdout), "plain\nfive\non\n");
        await run(sandbox, "kill $job; exec 5>&-");
      },
    );

    test("a directory may have spaces and line breaks in its name", async () => {
      const result = await run(sandbox, "mkdir -p $'/tmp/a b\\nc'; cd $'/tmp/a b\\nc'");
      assert.equal(result.cwd, "/tmp/a b\nc");
      await run(sandbox, "cd /workspace");
    });

    test("files of the workspace are the host's files, both ways", async () => {
      await writeFile(join(under.tree, "from-host.txt"), "host\n", { mode: 0o666 });
      const result = await run(sandbox, "cat /workspace/from-host.txt; echo inside > made.txt");
      assert.equal(text(result.stdout), "host\n");
      assert.equal(await readFile(join(under.tree, "made.txt"), "utf8"), "inside\n");
    });

    test("what waits for input gets none and goes on", async () => {
      const result = await run(sandbox, "cat; read word; echo $?", 5_000);
      assert.deepEqual(seen(result), ["exited", 0, "1\n", "", "/workspace"]);
    });

    test("a command that cannot be parsed is an ordinary failure", async () => {
      const result = await run(sandbox, "cd /workspace\nif then");
      assert.deepEqual([result.status, result.exitCode], ["exited", 2]);
      assert.match(text(result.stderr), /syntax error/u);
      assert.equal(text((await run(sandbox, "echo on")).stdout), "on\n");
    });

    test("a command that exits runs once, with its exit code, and the next one works", async () => {
      const result = await run(sandbox, "echo hit >> /workspace/hits; exit 3");
      assert.equal(result.exitCode, 3);
      assert.equal(result.status, can.realBash ? "shellDied" : "exited");
      assert.equal(text((await run(sandbox, "cat /workspace/hits")).stdout), "hit\n");
    });

    test("an endless command ends at its timeout, and the next one works", async () => {
      const result = await run(sandbox, "cd /tmp; while :; do :; done; echo never", 500);
      assert.deepEqual([result.status, result.exitCode], ["timedOut", null]);
      assert.equal(text(result.stdout), "");
      assert.ok(result.durationMs < 5_000);
      assert.equal(text((await run(sandbox, "cd /workspace; echo on")).stdout), "on\n");
    });

    test("a command can be cancelled", async () => {
      const cancel = new AbortController();
      setTimeout(() => cancel.abort(), 200);
      const result = await sandbox.run("sleep 100", { signal: cancel.signal, timeoutMs: 20_000 });
      assert.deepEqual([result.status, result.exitCode], ["cancelled", null]);
      assert.ok(result.durationMs < 5_000);
    });

    test("a command can be cancelled while a shell is started for it", async (context) => {
      const other = await make();
      context.after(async () => other.close());
      await other.sandbox.start();
      const cancel = new AbortController();
      setTimeout(() => cancel.abort(), 5);
      const options = { signal: cancel.signal, timeoutMs: 20_000 };
      const result = await other.sandbox.run("sleep 100", options);
      assert.equal(result.status, "cancelled");
      assert.ok(result.durationMs < 10_000);
    });

    test("a command that is cancelled while it waits for its turn never runs", async () => {
      const cancel = new AbortController();
      const first = run(sandbox, "sleep 0.3");
      const second = sandbox.run("touch /workspace/ran", {
        signal: cancel.signal,
        timeoutMs: 20_000,
      });
      cancel.abort();
      await first;
      assert.equal((await second).status, "cancelled");
      await assert.rejects(lstat(join(under.tree, "ran")), { code: "ENOENT" });
    });

    test("calls that come together run one after the other, in order", async () => {
      await run(sandbox, "cd /workspace; rm -f order");
      const numbers = [1, 2, 3, 4, 5];
      await Promise.all(numbers.map(async (n) => run(sandbox, `echo ${n} >> order`)));
      assert.equal(await readFile(join(under.tree, "order"), "utf8"), "1\n2\n3\n4\n5\n");
    });

    test("output that is too long keeps head and tail, and all of it in a file", async () => {
      const result = await run(sandbox, "echo first; seq 250000; echo last");
      assert.equal(result.truncated, true);
      assert.ok(result.stdout.length < 1024 * 1024 + 100);
      assert.match(
        text(result.stdout),
        /^first\n1\n2\n[^]*\n\[\.\.\. \d+ bytes left out \.\.\.\]\n[^]*\nlast\n$/u,
      );
      const path = result.fullOutput ?? "";
      const whole = await readFile(path.replace("/agent/logs", join(under.state, "logs")), "utf8");
      const numbers = Array.from({ length: 250_000 }, (_, index) => `${index + 1}\n`).join("");
      assert.equal(whole, `first\n${numbers}last\n`);
      assert.equal(text((await run(sandbox, `head -n 1 ${path}`)).stdout), "first\n");
    });

    test("work can be done while everything inside stands still", async () => {
      const slow = run(sandbox, "sleep 0.2; echo done > slow");
      const found = await sandbox.frozen(async () => readFile(join(under.tree, "slow"), "utf8"));
      await slow;
      assert.equal(found, "done\n");
      assert.equal(text((await run(sandbox, "echo on")).stdout), "on\n");
    });

    void testOfRealBash("a job stands still too, and goes on", async () => {
      await run(sandbox, "while sleep 0.02; do echo >> ticks; done & job=$!; sleep 0.1");
      const [first, second] = await sandbox.frozen(async () => {
        const size = await sizeOf(join(under.tree, "ticks"));
        await new Promise((resolve) => {
          setTimeout(resolve, 200);
        });
        return [size, await sizeOf(join(under.tree, "ticks"))];
      });
      assert.equal(first, second);
      await run(sandbox, "sleep 0.2; kill $job");
      assert.ok((await sizeOf(join(under.tree, "ticks"))) > first);
    });

    test("after a stop and a start the files are there and the shell is new", async () => {
      await run(sandbox, "cd /tmp; export WORD=old; echo kept > /workspace/kept");
      await sandbox.stop();
      await sandbox.stop();
      await sandbox.start();
      await sandbox.start();
      const result = await run(sandbox, "cat kept; echo $WORD");
      assert.deepEqual(seen(result), ["exited", 0, "kept\n\n", "", "/workspace"]);
    });
  });
}
