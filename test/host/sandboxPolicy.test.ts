import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import * as vscode from "vscode";
import { cairn } from "./cairn.ts";

suite("the policy of a sandbox", () => {
  const choose = async (backend: string | undefined): Promise<void> => {
    await cairn();
    const configuration = vscode.workspace.getConfiguration("cairn");
    await configuration.update("sandbox.backend", backend, vscode.ConfigurationTarget.Global);
  };
  before(async () => choose("embedded"));
  after(async () => choose(undefined));

  test("the policy of a folder's sandbox is shown as a document that cannot be edited", async () => {
    const shown = await vscode.commands.executeCommand("cairn.showSandboxPolicy");
    assert.match(String(shown), /^cairn-policy:/u);
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.toString(), shown);
    assert.match(
      document?.getText() ?? "",
      /^The embedded sandbox\n {2}held {4}files\.hostUnseen /u,
    );
    assert.match(document?.getText() ?? "", /\n\d+ held, \d+ gaps, 0 broken\.\n$/u);
    assert.equal(vscode.workspace.fs.isWritableFileSystem("cairn-policy") ?? false, false);
  });
});
