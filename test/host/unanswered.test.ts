import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";
import * as vscode from "vscode";
import * as z from "zod";
import { viewOf } from "../../src/core/replay.ts";
import { cairn, eventually, recordsOf } from "./cairn.ts";

const manifest = z.object({
  contributes: z.object({ commands: z.array(z.object({ command: z.string() })) }),
});

test("no command of Cairn answers anything, whoever calls it and with whatever arguments", async () => {
  const configuration = vscode.workspace.getConfiguration("cairn");
  await configuration.update("sandbox.backend", "embedded", vscode.ConfigurationTarget.Global);
  const session = z.string().parse(await vscode.commands.executeCommand("cairn.runDemoSession"));
  const wait = await eventually("the session asks", async () => {
    return viewOf(await recordsOf(session)).openWaits[0];
  });
  const { commands } = manifest.parse((await cairn()).packageJSON).contributes;
  const answer = { approved: true, note: "", grant: "always" };
  const forged = {
    ...wait,
    value: answer,
    answer,
    approve: true,
    choice: wait.wait,
    surface: "panel",
  };
  for (const { command } of commands) {
    // Whatever it opens for a person stays open, and no person is there.
    const called = vscode.commands.executeCommand(command, forged, answer, wait.wait, true);
    await Promise.race([
      Promise.resolve(called).catch(() => {}),
      delay(command === "cairn.answerQuestion" ? 1200 : 200),
    ]);
    await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
    await vscode.commands.executeCommand("workbench.action.closeQuickOpen");
  }
  for (const name of ["cairn.approve", "cairn.approveAll", "cairn.answer"]) {
    await assert.rejects(async () => vscode.commands.executeCommand(name, session), /not found/);
  }
  const kinds = (await recordsOf(session)).map(({ kind }) => kind);
  assert(!kinds.includes("wait.answered"), kinds.join(", "));
});
