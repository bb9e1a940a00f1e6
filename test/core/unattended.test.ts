import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { defineFlow } from "../../src/core/flowDefinition.ts";
import { denials } from "../../src/core/sessionFacts.ts";
import { defineTool } from "../../src/core/tool.ts";
import { yesOrNo } from "../../src/core/waits.ts";
import { calls, Machine, never, says } from "./machine.ts";

test("unattended, an effect in doubt is not repeated and not waited for: the session stops, and says so", async () => {
  let sent = 0;
  const publish = defineTool({
    name: "publish",
    description: "sends",
    args: z.object({}),
    effect: "external",
    what: () => "send a message",
    run: async () => {
      sent += 1;
      return { text: "sent", ok: true };
    },
  });
  const machine = new Machine([calls(["p", "publish", {}]), says("done")], [publish]);
  const profile = { tools: ["publish"], unattended: true };
  const session = await machine.start({
    ...profile,
    defaults: { R0: "allow", R1: "allow", R2: "ask", R3: "allow", R4: "ask" },
  });
  machine.driver.beforeAppend = (body) => {
    if (body.kind === "step.completed" && body.step.endsWith("/p")) throw new Error("killed");
  };
  await session.run(never);
  machine.driver.beforeAppend = () => {};
  const reloaded = await machine.reload();
  assert.equal(await reloaded.retry(never), "failed");
  assert.equal(sent, 1);
  assert.equal(reloaded.view.ended?.failure?.code, "flow.stopped");
  assert.equal(reloaded.view.ended.denied, 1);
  assert.deepEqual(denials(reloaded.records)[0]?.why, "Nobody is there to answer.");
});

test("unattended, a question that was left open by a crash ends when the session goes on", async () => {
  const asking = defineFlow({
    name: "asking",
    version: 1,
    input: z.null(),
    run: async ({ flow }) => {
      const sure = await flow.wait("sure", yesOrNo("Sure?"));
      return sure.ended ?? "answered";
    },
  });
  const machine = new Machine([]);
  machine.profile = { unattended: true };
  const session = await machine.startFlow(asking);
  machine.driver.beforeAppend = (body) => {
    if (body.kind === "wait.answered" || body.kind === "session.ended") throw new Error("killed");
  };
  await assert.rejects(session.run(never));
  machine.driver.beforeAppend = () => {};
  const reloaded = await machine.reload();
  assert.equal(reloaded.view.status, "waiting");
  assert.equal(await reloaded.resume(never), "completed");
  assert.equal(reloaded.view.result, "aborted");
  const answered = machine.audit.entries.filter(({ kind }) => kind === "answered");
  // The attempt that the crash took away is in the log, too.
  assert.deepEqual(
    answered.map(({ step, by }) => [step, by?.user]),
    [
      ["sure", "nobody"],
      ["sure", "nobody"],
    ],
  );
});
