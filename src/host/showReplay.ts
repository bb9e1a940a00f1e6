import * as vscode from "vscode";
import { replayUri, type ReplayDocuments } from "./replayDocument.ts";

/** Opens what is on record, at a step when one is given. Starts nothing. */
export async function showReplay(
  replays: ReplayDocuments,
  { session, goal }: { readonly session: string; readonly goal: string },
  step: string | null,
): Promise<vscode.Uri> {
  const uri = replayUri(session, goal);
  const document = await vscode.workspace.openTextDocument(uri);
  const line = step === null ? 0 : replays.lineOf(uri, step);
  const editor = await vscode.window.showTextDocument(document, { preview: false });
  const range = new vscode.Range(line, 0, line, 0);
  editor.selection = new vscode.Selection(range.start, range.end);
  editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  return uri;
}
