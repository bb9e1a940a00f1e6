import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { shellCases } from "../sandbox/shellCases.ts";
import { run, type SandboxUnderTest, seen, text } from "./sandbox.ts";

type Make = () => Promise<SandboxUnderTest>;

type Moment = "in a fresh session" | "in the middle of a session";

/**
 * What every sandbox with a real bash promises, for each case at each of the moments. The shell is
 * the same on every engine, so a second engine need not see both.
 */
export function shellContract(
  name: string,
  make: Make,
  moments: readonly Moment[] = ["in a fresh session", "in the middle of a session"],
): void {
  for (const moment of moments) {
    const middle = moment === "in the middle of a session";
    suite(`${name}, ${moment}`, { concurrency: 2 }, () => {
      cases(make, middle);
      output(make, middle);
    });
  }
}

/** A job in the background, which is a program of its own by now. */
const sleeper = "sleep 1000 & until pgrep -x sleep >/dev/null; do :; done";

function cases(make: Make, middle: boolean): void {
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
        if (middle) await run(sandbox, `cd /tmp; mark=old; ${sleeper}`);
        else await run(sandbox, "mark=old");
        const result = await run(sandbox, command, more.timeoutMs);
        assert.deepEqual(
          [result.status, result.exitCode, status === "exited" ? text(result.stdout) : ""],
          [status, exitCode, exitCode === 7 ? text(result.stdout) : stdout],
        );
        const same = more.shell === "same";
        const cwd = more.cwd ?? (middle && same ? "/tmp" : "/workspace");
        assert.equal(result.cwd, cwd);
        const next = await run(sandbox, "unset -f echo; echo ${mark-new}; (exit 5)");
        assert.deepEqual(
          [next.status, next.exitCode, text(next.stdout).split("\n").at(-2), next.cwd],
          ["exited", 5, same ? "old" : "new", cwd],
        );
        const left = await run(sandbox, "command pgrep -c sleep");
        assert.equal(text(left.stdout), middle && same ? "1\n" : "0\n");
        if (more.afterwards === undefined) return;
        const after = await run(sandbox, more.afterwards.command);
        assert.equal(text(after.stdout), more.afterwards.stdout);
      } finally {
        await place.close();
      }
    });
  }
}

function output(make: Make, middle: boolean): void {
  const inPlace = (work: (place: SandboxUnderTest) => Promise<void>) => async () => {
    const place = await make();
    try {
      if (middle) await run(place.sandbox, "cd /tmp; cd /workspace; sleep 1000 & true");
      await work(place);
    } finally {
      await place.close();
    }
  };

  test(
    "zero bytes, broken UTF-8 and a missing line end come as they are",
    inPlace(async ({ sandbox }) => {
      const result = await run(sandbox, String.raw`printf '\0\1\377\303'; printf '\377' >&2`);
      assert.deepEqual([...result.stdout], [0, 1, 255, 195]);
      assert.deepEqual([...result.stderr], [255]);
    }),
  );

  test(
    "what a job prints later is not in another command's output",
    inPlace(async ({ sandbox }) => {
      await run(sandbox, "(sleep 0.3; echo late; echo late >&2) & true");
      const next = await run(sandbox, "sleep 0.6; echo mine");
      assert.deepEqual(seen(next), ["exited", 0, "mine\n", "", "/workspace"]);
    }),
  );

  test(
    "a shell that was told to expand no names keeps a job's output apart, too",
    inPlace(async ({ sandbox }) => {
      for (const options of ["set -f", "set +f; shopt -s failglob; GLOBIGNORE='/proc/*'"]) {
        await run(sandbox, `${options}; (sleep 0.3; echo late) & true`);
        const next = await run(sandbox, "sleep 0.6; echo mine");
        assert.deepEqual(seen(next), ["exited", 0, "mine\n", "", "/workspace"]);
      }
    }),
  );

  test(
    "a job that never stops printing does not disturb a hundred commands",
    inPlace(async ({ sandbox }) => {
      await run(sandbox, "(while :; do echo noise; echo noise >&2; done) & noisy=$!");
      for (let n = 0; n < 100; n += 1) {
        const result = await run(sandbox, `echo ${n}; echo ${n} >&2; (exit ${n})`);
        assert.deepEqual(seen(result), ["exited", n, `${n}\n`, `${n}\n`, "/workspace"]);
      }
      await run(sandbox, "kill $noisy");
    }),
  );

  test(
    "output that is a second on its way is whole",
    inPlace(async ({ sandbox }) => {
      // Where programs inside carry output out of the place, they do nothing for that second.
      const result = await run(
        sandbox,
        `for each in /proc/[0-9]*; do [[ $(<$each/comm) == cat ]] && cats+=" \${each#/proc/}"; done 2>/dev/null
         [ -z "$cats" ] || { kill -STOP $cats; (sleep 1; kill -CONT $cats) & }
         echo one; echo two >&2`,
      );
      assert.deepEqual(seen(result), ["exited", 0, "one\n", "two\n", "/workspace"]);
    }),
  );

  test(
    "a command may write to /dev/stdout and /dev/stderr by name",
    inPlace(async ({ sandbox }) => {
      const result = await run(
        sandbox,
        "echo one; echo two >/dev/stdout; echo three >/dev/stderr; echo four >&2",
      );
      assert.deepEqual([text(result.stdout), text(result.stderr)], ["one\ntwo\n", "three\nfour\n"]);
    }),
  );

  test(
    "a hundred megabytes are bounded in memory and whole on disk",
    inPlace(async ({ sandbox, state }) => {
      const rss = process.memoryUsage().rss;
      const result = await run(sandbox, "head -c 100000000 /dev/zero; echo end >&2");
      assert.equal(result.truncated, true);
      assert.ok(result.stdout.length < 1024 * 1024 + 100);
      assert.ok(process.memoryUsage().rss - rss < 100_000_000);
      const path = (result.fullOutput ?? "").replace("/agent", state);
      const whole = await readFile(path);
      assert.equal(whole.length, 100_000_004);
      assert.equal(whole.includes("end\n"), true);
    }),
  );

  test(
    "a thousand commands in a row each give their own answer",
    inPlace(async ({ sandbox }) => {
      for (let n = 0; n < 1000; n += 1) {
        const result = await run(sandbox, `echo ${n}; (exit ${n % 256})`);
        assert.deepEqual([result.exitCode, text(result.stdout)], [n % 256, `${n}\n`]);
      }
    }),
  );
}
