import * as vscode from "vscode";
import { requireTrust, type Folders } from "./folders.ts";

/** Offers what the container engine has, and keeps the choice in the user's settings. */
export async function chooseRuntime(folders: Folders): Promise<string | undefined> {
  requireTrust();
  const folder = await folders.choose("Folder whose container engine is asked");
  if (folder === undefined) return undefined;
  const runtimes = await (await folders.sessions(folder)).runtimes();
  const items = [
    { label: "The engine's own choice", runtime: "" },
    ...runtimes.map((runtime) => ({ label: runtime, runtime })),
  ];
  const placeHolder = "Container runtime of new sessions";
  const picked = await vscode.window.showQuickPick(items, { placeHolder });
  if (picked === undefined) return undefined;
  const settings = vscode.workspace.getConfiguration("cairn");
  await settings.update("sandbox.runtime", picked.runtime, vscode.ConfigurationTarget.Global);
  const reload = "Reload Window";
  const answer = await vscode.window.showInformationMessage(
    "The runtime is used once the window is reloaded.",
    reload,
  );
  if (answer === reload) await vscode.commands.executeCommand("workbench.action.reloadWindow");
  return picked.runtime;
}
