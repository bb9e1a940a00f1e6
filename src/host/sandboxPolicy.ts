import * as vscode from "vscode";
import { findingLines } from "../core/findingLines.ts";
import type { CommandParts } from "./commandParts.ts";
import { requireTrust } from "./folders.ts";
import { readSettings } from "./settings.ts";

/** Checks the sandbox that a new session in a folder would get, and opens what was found. */
export async function showSandboxPolicy({
  folders,
  policy,
}: CommandParts): Promise<string | undefined> {
  const folder = await folders.choose("Folder whose sandbox is checked");
  if (folder === undefined) return;
  requireTrust();
  const sessions = await folders.sessions(folder);
  const check = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Trying each wall of the sandbox" },
    async () => sessions.checkSandbox(readSettings(folder.uri)["sandbox.backend"]),
  );
  return policy.show(folder, "Sandbox Policy", findingLines(check));
}
