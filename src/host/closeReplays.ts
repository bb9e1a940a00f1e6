import * as vscode from "vscode";
import { replayScheme, sessionOf } from "./replayDocument.ts";

/** A tab that stays open would show what is gone. */
export async function closeReplays(session: string): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const gone = tabs.filter(
    ({ input }) =>
      input instanceof vscode.TabInputText &&
      input.uri.scheme === replayScheme &&
      sessionOf(input.uri) === session,
  );
  await vscode.window.tabGroups.close(gone);
}
