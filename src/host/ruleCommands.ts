import * as vscode from "vscode";
import { ruleLines } from "../core/ruleLines.ts";
import type { CommandParts } from "./commandParts.ts";
import { requireTrust } from "./folders.ts";

/** Opens all rules that count for a folder, and what of their files does not. */
export async function showRules({ folders, policy }: CommandParts): Promise<string | undefined> {
  const folder = await folders.choose("Folder whose rules are shown");
  if (folder === undefined) return;
  requireTrust();
  const sessions = await folders.sessions(folder);
  return policy.show(folder, "Rules", ruleLines(await sessions.rules.list()));
}

/** Takes back every "this session" and "always here", after asking. */
export async function revokeGrants({ folders, operator }: CommandParts): Promise<void> {
  const folder = await folders.choose("Folder");
  if (folder === undefined) return;
  requireTrust();
  const sessions = await folders.sessions(folder);
  const revoke = "Revoke All";
  const choice = await vscode.window.showWarningMessage(
    "Take back everything that you allowed for a session, or always in a folder?",
    {
      modal: true,
      detail: "Sessions of every folder ask again. Rules that you wrote yourself stay.",
    },
    revoke,
  );
  if (choice !== revoke) return;
  const count = await sessions.rules.revokeAll(operator.by("quickPick"));
  void vscode.window.showInformationMessage(`Revoked: ${count}. Sessions ask again.`);
}
