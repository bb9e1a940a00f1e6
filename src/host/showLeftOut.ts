import * as vscode from "vscode";
import type { Survey } from "../core/ports.ts";

/** Our own records are nobody's work: that they are not copied is no news. */
const ours = ".cairn";

/** Says before a session starts what its copy of the folder will not have. */
export function showLeftOut({ leftOut }: Survey): void {
  const news = leftOut.filter(({ path }) => path !== ours);
  if (news.length === 0) return;
  const named = news.slice(0, 3).map(({ path }) => path);
  const more = news.length > named.length ? ` and ${news.length - named.length} more` : "";
  const sentence = `Not in the session's copy of the folder: ${named.join(", ")}${more}.`;
  const lines = news.map(({ path, reason }) => `${path}\t${reason}`);
  void (async () => {
    if ((await vscode.window.showInformationMessage(sentence, "Show")) === undefined) return;
    const content = `Not in the session's copy of the folder:\n\n${lines.join("\n")}\n`;
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content }));
  })();
}
