import * as vscode from "vscode";
import type { Survey } from "../core/ports.ts";
import type { Folder } from "./folders.ts";
import { messageText } from "./messageText.ts";

/**
 * Says before a session starts what its copy of the folder will not have, and what of the rules
 * does not count; the same thing once a window.
 */
export class StartNews {
  readonly #leftOut = new Map<string, string>();
  readonly #told = new Set<string>();

  tellLeftOut({ key }: Folder, { leftOut }: Survey): void {
    const list = leftOut.map(({ path, reason }) => `${path}\t${reason}`).join("\n");
    if (list === (this.#leftOut.get(key) ?? "")) return;
    this.#leftOut.set(key, list);
    const named = leftOut.slice(0, 3).map(({ path }) => path);
    const more = leftOut.length > named.length ? ` and ${leftOut.length - named.length} more` : "";
    void offer(`Not in the session's copy of the folder: ${named.join(", ")}${more}.`, list);
  }

  tellRules(notices: readonly string[]): void {
    for (const notice of notices.filter((each) => !this.#told.has(each))) {
      this.#told.add(notice);
      void vscode.window.showWarningMessage(notice);
    }
  }
}

async function offer(sentence: string, list: string): Promise<void> {
  if ((await vscode.window.showInformationMessage(messageText(sentence), "Show")) === undefined)
    return;
  const content = `Not in the session's copy of the folder:\n\n${list}\n`;
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content }));
}
