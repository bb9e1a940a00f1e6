import * as vscode from "vscode";
import type { KnownSessions } from "./knownSessions.ts";

/** How many sessions run and wait; not there when none does. */
export function statusBar(known: KnownSessions): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("cairn.status", vscode.StatusBarAlignment.Left);
  item.name = "Cairn";
  item.command = "cairn.showApprovals";
  const show = (): void => {
    const running = known.all.filter(({ state }) => state === "running").length;
    const waiting = known.all.filter(({ state }) => state === "waiting").length;
    const parts = [
      running > 0 ? `$(sync~spin) ${running} running` : "",
      waiting > 0 ? `$(bell-dot) ${waiting} waiting` : "",
    ].filter((part) => part !== "");
    item.text = `Cairn: ${parts.join("  ")}`;
    item.tooltip = `Sessions of Cairn: ${running} running, ${waiting} waiting for you. Click for what they ask.`;
    item.backgroundColor =
      waiting > 0 ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    if (parts.length > 0) item.show();
    else item.hide();
  };
  show();
  return vscode.Disposable.from(item, known.onDidChange(show));
}
