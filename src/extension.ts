import type * as vscode from "vscode";
import { CairnError } from "./core/errors.ts";
import type { OpenEditor } from "./editor.ts";
import { onFirstUse } from "./host/firstUse.ts";
import { onSessionsInSight } from "./host/sessionsInSight.ts";

/** The editor gives a window that closes a few seconds. */
const closeMs = 4000;

let editor: OpenEditor | null = null;

/** The doorway: registers what can be used, and loads the rest when it is or when there are sessions to show. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const commands: readonly { readonly command: string }[] =
    context.extension.packageJSON.contributes.commands;
  const { load, subscriptions } = onFirstUse(
    commands.map(({ command }) => command),
    async () => {
      const { openEditor } = await import("./editor.ts");
      return (view) => {
        editor = openEditor(context, view);
        return editor;
      };
    },
  );
  context.subscriptions.push(subscriptions, onSessionsInSight(context.workspaceState, load));
  await requireSqlite();
}

/** Sessions stay as they are on record; what they have running is ended. */
export async function deactivate(): Promise<void> {
  const patience = new Promise<void>((resolve) => {
    setTimeout(resolve, closeMs);
  });
  await Promise.race([editor?.close(), patience]);
}

async function requireSqlite(): Promise<void> {
  try {
    await import("node:sqlite");
  } catch (error) {
    throw new CairnError(
      "runtime.noSqlite",
      "Cairn needs VS Code 1.125 or newer: this one has no node:sqlite. Update VS Code.",
      { cause: error },
    );
  }
}
