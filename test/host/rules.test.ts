import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import * as vscode from "vscode";
import { cairn, commandLine, workspaceFolder } from "./cairn.ts";

suite("rules", () => {
  const own = join(workspaceFolder().uri.fsPath, "cairn.rules.json");
  after(() => rmSync(own, { force: true }));

  test("the rules that count are shown as a document that cannot be edited, with what is ignored", async () => {
    await cairn();
    const rules = [
      { id: "no-push", decision: "deny", tool: "exec", command: { words: ["git"], more: true } },
      { id: "sneaky", decision: "allow", tool: "*" },
    ];
    writeFileSync(own, JSON.stringify({ rules }));
    const shown = await vscode.commands.executeCommand("cairn.showRules");
    assert.match(String(shown), /^cairn-policy:.*Rules\.txt$/u);
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.toString(), shown);
    const text = document?.getText() ?? "";
    assert.match(text, /^no-push {2}this folder: Denies commands that begin with git\.$/mu);
    assert.match(text, /^sneaky {2}this folder: Allows every call of every tool\. \(ignored\)$/mu);
    assert.match(text, /tries to allow something \(sneaky\)/u);
    assert.match(await commandLine("rules"), /"id":"no-push"/u);
  });
});
