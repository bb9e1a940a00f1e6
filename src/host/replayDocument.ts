import * as vscode from "vscode";
import type { KnownSessions } from "./knownSessions.ts";
import { fullOutput, replayText, type ReplayBlock } from "./replayText.ts";
import { shortened } from "./runs.ts";

export const replayScheme = "cairn-replay";

/** Address of a session's replay: `cairn-replay:/SESSION/Replay · GOAL.md`. */
export function replayUri(session: string, goal: string): vscode.Uri {
  const title = shortened(goal.replaceAll(/[/\\]/g, " ")).replace(/\.+$/, "");
  return vscode.Uri.from({ scheme: replayScheme, path: `/${session}/Replay · ${title}.md` });
}

/** Address of one call's whole output; plain text. */
export function outputUri(session: string, step: string): vscode.Uri {
  const name = step.replaceAll("/", " ");
  return vscode.Uri.from({ scheme: replayScheme, path: `/${session}/${name}.txt`, query: step });
}

/** The replay of a session as a read-only document, with commands over each block. Runs nothing. */
export class ReplayDocuments
  implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider, vscode.Disposable
{
  readonly #known: KnownSessions;
  readonly #changes = new vscode.EventEmitter<vscode.Uri>();
  readonly #blocks = new Map<string, readonly ReplayBlock[]>();
  readonly #shown = new Map<string, number>();
  readonly #subscriptions: vscode.Disposable;

  constructor(known: KnownSessions) {
    this.#known = known;
    this.#subscriptions = vscode.Disposable.from(
      this.#changes,
      known.onDidChange(() => this.#refresh()),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => {
        this.#blocks.delete(uri.toString());
        this.#shown.delete(uri.toString());
      }),
      vscode.workspace.registerTextDocumentContentProvider(replayScheme, this),
      vscode.languages.registerCodeLensProvider({ scheme: replayScheme }, this),
    );
  }

  readonly onDidChange: vscode.Event<vscode.Uri> = (listener, self, disposables) =>
    this.#changes.event(listener, self, disposables);

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const session = sessionOf(uri);
    const { records } = await this.#known.get(session);
    const view = await this.#known.view(session);
    if (uri.query !== "") return fullOutput(view, uri.query) ?? "";
    const { text, blocks } = replayText(view);
    this.#blocks.set(uri.toString(), blocks);
    this.#shown.set(uri.toString(), records);
    return text;
  }

  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const session = sessionOf(uri);
    return (this.#blocks.get(uri.toString()) ?? []).flatMap(({ line, step, tree }) => {
      const range = new vscode.Range(line, 0, line, 0);
      const lens = (title: string, command: string): vscode.CodeLens =>
        new vscode.CodeLens(range, { title, command, arguments: [{ session, step }] });
      const output = lens("Open output", "cairn.openOutput");
      if (tree === "") return [output];
      return [
        output,
        lens("Files at this step", "cairn.showFilesAtStep"),
        lens("Diff to now", "cairn.diffToNow"),
      ];
    });
  }

  /** The line of a step's block, 0 when it has none. */
  lineOf(uri: vscode.Uri, step: string): number {
    return this.#blocks.get(uri.toString())?.find((block) => block.step === step)?.line ?? 0;
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }

  #refresh(): void {
    const counts = new Map(this.#known.all.map(({ session, records }) => [session, records]));
    for (const { uri } of vscode.workspace.textDocuments) {
      const shown = this.#shown.get(uri.toString());
      if (shown !== undefined && shown !== counts.get(sessionOf(uri))) this.#changes.fire(uri);
    }
  }
}

function sessionOf(uri: vscode.Uri): string {
  return uri.path.split("/")[1] ?? "";
}
