import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandPart } from "../../src/core/action.ts";
import type { ToolRun } from "../../src/core/tool.ts";
import { execTool } from "../../src/tools/exec.ts";
import { FakeSandbox } from "../fakes/fakeSandbox.ts";

const part: CommandPart = { argv: ["ls"], run: ["ls", "-1"], join: null, effect: "reads" };

test("a command that was read runs as its words, and its result says so", async () => {
  const sandbox = new FakeSandbox();
  const call = execTool(sandbox).prepare({
    id: "call_1",
    tool: "exec",
    args: JSON.stringify({ command: "ls" }),
  });
  assert.ok(call.kind === "run");
  const { signal } = new AbortController();
  const run: ToolRun = { signal, timeoutMs: 1_000, operation: "one" };
  const asText = await call.run(run);
  const alone = await call.run({ ...run, alone: { parts: [part], cwd: "/workspace/sub" } });
  assert.deepEqual(sandbox.commands, ["ls", "alone: ls -1"]);
  assert.deepEqual(
    [asText.data, alone.data].map((data) => JSON.stringify(data)),
    [
      '{"status":"exited","exitCode":0,"cwd":"/workspace","truncated":false,"fullOutput":null}',
      '{"status":"exited","exitCode":0,"cwd":"/workspace/sub","truncated":false,"fullOutput":null,"alone":true}',
    ],
  );
});
