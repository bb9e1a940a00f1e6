import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ExecResult } from "../../src/core/ports.ts";
import { plainSandbox } from "../../src/redaction/plainSandbox.ts";
import { Secrets } from "../../src/redaction/secrets.ts";
import { execTool } from "../../src/tools/exec.ts";
import { editFileTool } from "../../src/tools/editFile.ts";
import { readFileTool } from "../../src/tools/readFile.ts";
import { writeFileTool } from "../../src/tools/writeFile.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";
import { random } from "./secretSamples.ts";

const secret = random(40);
const secrets = new Secrets();
secrets.register(secret);

/** Says the same to each command. */
class SayingSandbox extends FakeSandbox {
  said = "";

  override async run(...given: Parameters<FakeSandbox["run"]>): Promise<ExecResult> {
    return { ...(await super.run(...given)), stdout: Buffer.from(this.said) };
  }
}

async function shownBy(tool: ReturnType<typeof execTool>, args: object): Promise<string> {
  const call = { id: "a", tool: tool.name, args: JSON.stringify(args) };
  const prepared = tool.prepare(call);
  assert.ok(prepared.kind === "run");
  const { signal } = new AbortController();
  return (await prepared.run({ signal, timeoutMs: 1000, operation: "" })).text;
}

suite("a secret that a tool would cut in two is taken out before", () => {
  const leaks = (text: string): boolean =>
    Array.from({ length: secret.length - 8 }, (_, at) => secret.slice(at, at + 8)).some((part) =>
      text.includes(part),
    );

  test("where a long output is shown in part, at every offset", async () => {
    const sandbox = new SayingSandbox();
    const tool = execTool(plainSandbox(sandbox, secrets));
    for (let before = 8000 - secret.length; before <= 8000; before += 1) {
      for (const around of [
        [".".repeat(before), ".".repeat(20_000)],
        [".".repeat(20_000), ".".repeat(before)],
      ]) {
        sandbox.said = around.join(secret);
        const text = await shownBy(tool, { command: "cat" });
        assert.match(text, /characters left out/);
        assert.ok(!leaks(text), `${before}`);
      }
    }
    sandbox.said = `${".".repeat(7980)}${secret}${".".repeat(20_000)}`;
    assert.ok(leaks(await shownBy(execTool(sandbox), { command: "cat" })), "it would be cut");
  });

  test("where a long line of a file is", async () => {
    const sandbox = new SayingSandbox();
    sandbox.said = `${".".repeat(39_980)}${secret}\nnext\n`;
    const plain = readFileTool(plainSandbox(sandbox, secrets));
    assert.ok(!leaks(await shownBy(plain, { path: "a" })));
    assert.ok(leaks(await shownBy(readFileTool(sandbox), { path: "a" })), "it would be cut");
  });
});

test("what stands for a secret is not written back over it", async () => {
  const sandbox = new SayingSandbox();
  const marked = "key = [redacted: api key]\n";
  const refused = [
    await shownBy(writeFileTool(sandbox), { path: "a", content: marked }),
    await shownBy(editFileTool(sandbox), { path: "a", old: marked, new: "key = 1\n" }),
    await shownBy(editFileTool(sandbox), { path: "a", old: "x", new: marked }),
  ];
  for (const text of refused) assert.match(text, /so nothing was written\. Change only what is/);
  assert.deepEqual(sandbox.commands, []);
});
