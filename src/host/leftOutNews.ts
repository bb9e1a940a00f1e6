import * as vscode from "vscode";
import type { Survey } from "../core/ports.ts";
import type { Folder } from "./folders.ts";
import { messageText } from "./messageText.ts";

/** Says before a session starts what its copy of the folder will not have; the same thing once a window. */
export class LeftOutNews {
  readonly #told = new Map<string, string>();

  tell({ key }: Folder, { leftOut }: Survey): void {
    const list = leftOut.map(({ path, reason }) => `${path}\t${reason}`).join("\n");
    if (list === (this.#told.get(key) ?? "")) return;
    this.#told.set(key, list);
    const named = leftOut.slice(0, 3).map(({ path }) => path);
    const more = leftOut.length > named.length ? ` and ${leftOut.length - named.length} more` : "";
    void offer(`Not in the session's copy of the folder: ${named.join(", ")}${more}.`, list);
  }
}

async function offer(sentence: string, list: string): Promise<void> {
  if ((await vscode.window.showInformationMessage(messageText(sentence), "Show")) === undefined)
    return;
  const content = `Not in the session's copy of the folder:\n\n${list}\n`;
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content }));
}
