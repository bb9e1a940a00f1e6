import * as vscode from "vscode";
import { foldersWithSessions } from "./folders.ts";

/**
 * Loads Cairn in a window whose folders have sessions, so that what waits is shown without being
 * asked for. Looks after the activation, and again when folders or their trust change.
 */
export function onSessionsInSight(
  used: vscode.Memento,
  load: () => Promise<unknown>,
): vscode.Disposable {
  const look = async (): Promise<void> => {
    if ((await foldersWithSessions(used)).length > 0) await load();
  };
  const first = setImmediate(() => void look());
  return vscode.Disposable.from(
    { dispose: () => clearImmediate(first) },
    vscode.workspace.onDidGrantWorkspaceTrust(async () => look()),
    vscode.workspace.onDidChangeWorkspaceFolders(async () => look()),
  );
}
