import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandReader } from "../../src/command/commandReader.ts";
import { benign, programAttacks, shellAttacks } from "./corpus.ts";
import { traceBash } from "./oracle.ts";
import { inNoOrder, started } from "./started.ts";

const reader = commandReader();

/** True when the command would pass without a question. */
function passes(command: string): boolean {
  return reader.read(command, "/workspace")?.every(({ effect }) => effect === "reads") ?? false;
}

function effectsOf(command: string): readonly string[] | null {
  return reader.read(command, "/workspace")?.map(({ effect }) => effect) ?? null;
}

suite("a command that is proven to read does nothing else", () => {
  test("no attack of the shell passes, and there are more than a hundred", () => {
    assert.ok(shellAttacks.length >= 110, String(shellAttacks.length));
    assert.deepEqual(
      shellAttacks.filter(({ command }) => passes(command)),
      [],
    );
  });

  test("no attack by a program's own options passes, and there are more than a hundred", () => {
    assert.ok(programAttacks.length >= 125, String(programAttacks.length));
    assert.deepEqual(
      programAttacks.filter(({ command }) => passes(command)),
      [],
    );
  });

  test("what is asked for all day does pass", () => {
    assert.deepEqual(
      benign.filter((command) => !passes(command)),
      [],
    );
  });

  test("bash does what each attack of the shell tries", () => {
    const lines = shellAttacks.map(({ command }) => command);
    const [good, bad] = [traceBash(lines, 0, "evil"), traceBash(lines, 1, "evil")];
    const harmless = lines.filter((_, at) =>
      [good[at], bad[at]].every(
        (traced) => traced?.files.length === 0 && traced.argv.every(([name]) => name !== "evil"),
      ),
    );
    assert.deepEqual(harmless, []);
  });

  test("whatever is read of the corpus is what bash starts, word for word", () => {
    const all = [...shellAttacks, ...programAttacks].map(({ command }) => command).concat(benign);
    const read = all.flatMap((command) => {
      const parts = reader.read(command, "/workspace");
      // Only names without a slash are looked for, and can be traced.
      const named = parts?.every(({ argv }) => argv[0]?.includes("/") === false);
      return parts === null || named !== true ? [] : [{ command, parts }];
    });
    assert.ok(read.length > 150, String(read.length));
    for (const status of [0, 1] as const) {
      const lines = read.map(({ command }) => command);
      const traced = traceBash(lines, status);
      for (const [at, { command, parts }] of read.entries()) {
        assert.deepEqual(inNoOrder(traced[at]?.argv ?? []), started(parts, status), command);
        assert.deepEqual(traced[at]?.files, [], command);
      }
    }
  });

  test("places of secrets and devices are named as such", () => {
    for (const command of [
      "cat .env",
      "cat /proc/self/environ",
      "cp .env x",
      "git show HEAD:.env",
    ]) {
      assert.deepEqual(effectsOf(command), ["secret"], command);
    }
    for (const command of ["head /dev/zero", "dd if=/dev/zero", "cat /dev/tcp/192.0.2.1/80"]) {
      assert.deepEqual(effectsOf(command), ["device"], command);
    }
    assert.deepEqual(effectsOf("cat /dev/null .env.example"), ["reads"]);
    assert.deepEqual(effectsOf("cat ../../etc/passwd"), ["unknown"]);
    for (const command of ["npm test", "jq .env package.json", "jq -r .a.key x"]) {
      assert.deepEqual(effectsOf(command), ["unknown"], command);
    }
    assert.deepEqual(effectsOf("sed -n p .env"), ["secret"]);
    assert.deepEqual(effectsOf("ls; cat .env | rm x"), ["reads", "secret", "unknown"]);
  });

  test("a path begins where the command runs", () => {
    const effect = (command: string, cwd: string): string | undefined =>
      reader.read(command, cwd)?.[0]?.effect;
    assert.equal(effect("cat ../x", "/workspace/sub"), "reads");
    assert.equal(effect("cat ../../x", "/workspace/sub"), "unknown");
    assert.equal(effect("cat x", "/tmp"), "reads");
    for (const cwd of ["/", "/etc", "/workspaces", "/proc/self"]) {
      assert.equal(effect("ls", cwd), "unknown", cwd);
      assert.equal(effect("git status", cwd), "unknown", cwd);
    }
    assert.equal(effect("cat environ", "/proc/self"), "secret");
  });

  test("git is run with what keeps a repository's own settings from running programs", () => {
    const [part] = reader.read("git --no-pager log -p --oneline src", "/workspace") ?? [];
    assert.deepEqual(part?.argv, ["git", "--no-pager", "log", "-p", "--oneline", "src"]);
    const run = part?.run.join(" ") ?? "";
    for (const wanted of [
      "core.fsmonitor=false",
      "safe.bareRepository=explicit",
      "exec git --no-pager",
      " log --no-ext-diff --no-textconv ",
    ]) {
      assert.ok(run.includes(wanted), wanted);
    }
    assert.deepEqual(part?.run.slice(-3), ["-p", "--oneline", "src"]);
  });

  test("changes of streams that lose nothing are read, in their order", () => {
    const [first, second] =
      reader.read("cat x >/dev/null 2>&1 | cat 2> /dev/null", "/workspace") ?? [];
    assert.deepEqual(first?.streams, [">/dev/null", "2>&1"]);
    assert.deepEqual([second?.join, second?.streams], ["pipe", ["2>/dev/null"]]);
  });

  test("what is too long, or has a character that is none of a command, is not read", () => {
    for (const character of ["\0", "\t", "\r", "\u001b", "\u007f", "\u00e4", "\u200b"]) {
      assert.equal(reader.read(`echo a${character}b`, "/workspace"), null);
      assert.equal(reader.read(`echo 'a${character}b'`, "/workspace"), null);
    }
    assert.equal(reader.read(`echo ${"a".repeat(10_000)}`, "/workspace"), null);
    assert.equal(reader.read("", "/workspace"), null);
  });
});
