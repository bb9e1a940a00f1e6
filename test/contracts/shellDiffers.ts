import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { SandboxHost } from "../../src/core/ports.ts";
import { execute } from "./execute.ts";
import { run, type SandboxUnderTest } from "./sandbox.ts";

const says = (what: string): string => `The shell differs from a clean one: ${what}.`;

/** What a command did to the shell, and how that is said. */
const cases: readonly (readonly [string, string])[] = [
  ["alias ls='echo x'", "1 alias"],
  ["function cd() { :; }; f() { :; }", "2 functions"],
  ["PATH=/workspace/bin:$PATH", "PATH changed"],
  ["BASH_ENV=/workspace/x", "BASH_ENV set"],
  ["trap 'echo x' DEBUG", "1 trap"],
  ["trap 'echo x' EXIT; trap 'echo y' INT", "2 traps"],
  ["hash -p /workspace/bin/ls ls", "1 hashed program"],
  ["enable -n test", "1 builtin loaded or off"],
  ["set -u; set -o noclobber", "options changed (noclobber, nounset)"],
  ["shopt -s expand_aliases; shopt -u sourcepath", ""],
  ["readonly WORD=x", "1 read-only variable"],
  ["set -o nolog", "options changed (nolog)"],
  ["PROMPT_COMMAND='echo x'; exec 2>/dev/null", ""],
  ["readonly PROMPT_COMMAND='echo x'", "PROMPT_COMMAND set, 1 read-only variable"],
  ["alias a=b; f() { :; }; export PATH=/tmp", "1 alias, 1 function, PATH changed"],
  [
    "alias x=y; printf() { command echo forged; }; builtin() { :; }; trap() { :; }; compgen() { :; }",
    "1 alias, 3 functions",
  ],
  ["set -T; trap 'PATH=/tmp; x=1' DEBUG", "PATH changed, 1 trap, options changed (functrace)"],
  ["unset BASH_ALIASES; alias x=y", "1 alias"],
  ["set -f; IFS=/; alias x=y", "1 alias, options changed (noglob)"],
];

/** A `test` that does as it likes. */
const loadable = `
struct builtin { char *name; int (*run)(void *); int flags; char **doc; char *line; char *handle; };
static int run(void *words) { return 42; }
char *doc[] = {0};
struct builtin test_struct = {"test", run, 1, doc, "test", 0};
`;

/** What every sandbox with a real bash says of what commands made of its shell. */
export function shellDiffersContract(name: string, make: () => Promise<SandboxUnderTest>): void {
  suite(`${name} says how its shell differs from a clean one`, () => {
    let under: SandboxUnderTest;
    let sandbox: SandboxHost;
    const said = async (): Promise<string> => (await sandbox.shellDiffers?.()) ?? "absent";
    before(async () => {
      under = await make();
      sandbox = under.sandbox;
    });
    after(async () => under.close());

    test("nothing is said of a shell that does not run, or that only did its work", async () => {
      assert.equal(await said(), "");
      await sandbox.start();
      assert.equal(await said(), "");
      await run(sandbox, "cd /tmp; export WORD=x; ls / >/dev/null; (alias a=b; PATH=x); sleep 1 &");
      assert.equal(await said(), "");
    });

    for (const [command, what] of cases) {
      test(`it is said what came of: ${command}`, async () => {
        await sandbox.stop();
        await sandbox.start();
        await run(sandbox, command);
        const expected = what === "" ? /^$|options changed/u : says(what);
        if (typeof expected === "string") assert.equal(await said(), expected);
        else assert.match(await said(), expected);
        await run(sandbox, "unset -f builtin 2>/dev/null; unalias -a");
      });
    }

    test("a builtin that was loaded in place of another is noticed, and does not reach words", async () => {
      await sandbox.stop();
      await sandbox.start();
      const object = join(under.tree, "own.so");
      execFileSync("cc", ["-shared", "-fPIC", "-o", object, "-x", "c", "-"], { input: loadable });
      await run(sandbox, "enable -f /workspace/own.so test");
      assert.equal(Buffer.from((await run(sandbox, "test; echo $?")).stdout).toString(), "42\n");
      assert.equal(await said(), says("1 library loaded"));
      const result = await execute(sandbox, "test -d . && echo on");
      assert.equal(Buffer.from(result.stdout).toString(), "on\n");
    });

    test("asking changes nothing, and what ends is no longer said", async () => {
      await sandbox.stop();
      await sandbox.start();
      await run(sandbox, "alias a=b; (exit 7)");
      assert.equal(await said(), says("1 alias"));
      const result = await run(sandbox, "echo $?; unalias a");
      assert.equal(Buffer.from(result.stdout).toString(), "7\n");
      assert.equal(await said(), "");
    });

    test("while a command runs it is not waited for", async () => {
      const slow = run(sandbox, "sleep 1");
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
      const asked = Date.now();
      assert.equal(await said(), "What the shell was told before cannot be found out now.");
      assert.ok(Date.now() - asked < 500);
      await slow;
      assert.equal(await said(), "");
    });
  });
}
