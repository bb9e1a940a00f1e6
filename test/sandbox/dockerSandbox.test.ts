import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import { fileToolsContract } from "../contracts/fileTools.ts";
import { run, sandboxContract, seen, text } from "../contracts/sandbox.ts";
import { startEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace } from "./dockerPlace.ts";
import { shellCases } from "./shellCases.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("the docker sandbox", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  const make = async (): Promise<DockerUnderTest> => dockerPlace(engine);
  sandboxContract("the docker sandbox", make, { realBash: true });
  fileToolsContract("the docker sandbox", make, { realBash: true });
  for (const middle of [false, true]) runShellCases(make, middle);
  outputCases(make);
}

function runShellCases(make: () => Promise<DockerUnderTest>, middle: boolean): void {
  suite(middle ? "in the middle of a session" : "in a fresh session", { concurrency: 2 }, () => {
    for (const {
      sentence,
      command,
      status = "exited",
      exitCode,
      stdout = "",
      ...more
    } of shellCases) {
      test(sentence, async () => {
        const place = await make();
        const { sandbox } = place;
        try {
          if (middle) await run(sandbox, "cd /tmp; mark=old; sleep 1000 & true");
          else await run(sandbox, "mark=old");
          const result = await run(sandbox, command, more.timeoutMs);
          assert.deepEqual(
            [result.status, result.exitCode, status === "exited" ? text(result.stdout) : ""],
            [status, exitCode, exitCode === 7 ? text(result.stdout) : stdout],
          );
          const same = more.shell === "same";
          const cwd = middle && same ? "/tmp" : "/workspace";
          assert.equal(result.cwd, cwd);
          const next = await run(sandbox, "unset -f echo; echo ${mark-new}; (exit 5)");
          assert.deepEqual(
            [next.status, next.exitCode, text(next.stdout).split("\n").at(-2), next.cwd],
            ["exited", 5, same ? "old" : "new", cwd],
          );
          const left = await run(sandbox, "command pgrep -c sleep");
          assert.equal(text(left.stdout), middle && same ? "1\n" : "0\n");
        } finally {
          await place.close();
        }
      });
    }
  });
}

function outputCases(make: () => Promise<DockerUnderTest>): void {
  suite("the output of a command is its own, byte for byte", () => {
    let place: DockerUnderTest;
    before(async () => {
      place = await make();
    });
    after(async () => place.close());

    test("zero bytes, broken UTF-8 and a missing line end come as they are", async () => {
      const result = await run(place.sandbox, String.raw`printf '\0\1\377\303'; printf '\377' >&2`);
      assert.deepEqual([...result.stdout], [0, 1, 255, 195]);
      assert.deepEqual([...result.stderr], [255]);
    });

    test("what a job prints later is not in another command's output", async () => {
      const { sandbox } = place;
      await run(sandbox, "(sleep 0.3; echo late; echo late >&2) & true");
      const next = await run(sandbox, "sleep 0.6; echo mine");
      assert.deepEqual(seen(next), ["exited", 0, "mine\n", "", "/workspace"]);
    });

    test("a job that never stops printing does not disturb a hundred commands", async () => {
      const { sandbox } = place;
      await run(sandbox, "(while :; do echo noise; echo noise >&2; done) & noisy=$!");
      for (let n = 0; n < 100; n += 1) {
        const result = await run(sandbox, `echo ${n}; echo ${n} >&2; (exit ${n})`);
        assert.deepEqual(seen(result), ["exited", n, `${n}\n`, `${n}\n`, "/workspace"]);
      }
      await run(sandbox, "kill $noisy");
    });

    test("a command may write to /dev/stdout and /dev/stderr by name", async () => {
      const result = await run(
        place.sandbox,
        "echo one; echo two >/dev/stdout; echo three >/dev/stderr; echo four >&2",
      );
      assert.deepEqual([text(result.stdout), text(result.stderr)], ["one\ntwo\n", "three\nfour\n"]);
    });

    test("a hundred megabytes are bounded in memory and whole on disk", async () => {
      const rss = process.memoryUsage().rss;
      const result = await run(place.sandbox, "head -c 100000000 /dev/zero; echo end >&2");
      assert.equal(result.truncated, true);
      assert.ok(result.stdout.length < 1024 * 1024 + 100);
      assert.ok(process.memoryUsage().rss - rss < 100_000_000);
      const path = (result.fullOutput ?? "").replace("/agent", place.state);
      const whole = await readFile(path);
      assert.equal(whole.length, 100_000_004);
      assert.equal(whole.includes("end\n"), true);
    });

    test("a thousand commands in a row each give their own answer", async () => {
      for (let n = 0; n < 1000; n += 1) {
        const result = await run(place.sandbox, `echo ${n}; (exit ${n % 256})`);
        assert.deepEqual([result.exitCode, text(result.stdout)], [n % 256, `${n}\n`]);
      }
    });
  });
}
