import * as vscode from "vscode";
import { visibleText } from "../core/visibleText.ts";
import { explanationText } from "./explanationText.ts";
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

/**
 * The replay of a session as a read-only document, with commands over each block and the reasons
 * behind it on hover. Runs nothing.
 */
export class ReplayDocuments
  implements
    vscode.TextDocumentContentProvider,
    vscode.CodeLensProvider,
    vscode.HoverProvider,
    vscode.Disposable
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
      vscode.languages.registerHoverProvider({ scheme: replayScheme }, this),
    );
  }

  readonly onDidChange: vscode.Event<vscode.Uri> = (listener, self, disposables) =>
    this.#changes.event(listener, self, disposables);

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const session = sessionOf(uri);
    if (uri.query !== "") {
      return visibleText(fullOutput(await this.#known.view(session), uri.query) ?? "");
    }
    return this.#text(uri);
  }

  async provideHover(
    { uri }: vscode.TextDocument,
    { line }: vscode.Position,
  ): Promise<vscode.Hover | undefined> {
    const block = (await this.#blocksOf(uri)).find((one) => one.line === line);
    if (block === undefined) return undefined;
    const text = explanationText(await this.#known.records(sessionOf(uri)), block.steps);
    if (text === "") return undefined;
    // Neither trusted nor HTML, and what a model wrote is in it as code only.
    return new vscode.Hover(new vscode.MarkdownString(text));
  }

  async provideCodeLenses({ uri }: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const session = sessionOf(uri);
    const { state } = await this.#known.get(session);
    const blocks = await this.#blocksOf(uri);
    return blocks.flatMap((block) => lensesOf(session, block, state !== "readOnly"));
  }

  /** The line of a step's block, 0 when it has none. */
  lineOf(uri: vscode.Uri, step: string): number {
    const blocks = this.#blocks.get(uri.toString()) ?? [];
    return blocks.find(({ steps, at }) => at === step || steps.includes(step))?.line ?? 0;
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }

  async #text(uri: vscode.Uri): Promise<string> {
    const session = sessionOf(uri);
    const view = await this.#known.view(session);
    const records = await this.#known.records(session);
    const { text, blocks } = replayText(view, records);
    this.#blocks.set(uri.toString(), blocks);
    this.#shown.set(uri.toString(), records.length);
    return text;
  }

  /** A change of its language closes a document and opens it again without asking for its text. */
  async #blocksOf(uri: vscode.Uri): Promise<readonly ReplayBlock[]> {
    if (uri.query !== "") return [];
    if (!this.#blocks.has(uri.toString())) await this.#text(uri);
    return this.#blocks.get(uri.toString()) ?? [];
  }

  #refresh(): void {
    const counts = new Map(this.#known.all.map(({ session, records }) => [session, records]));
    for (const { uri } of vscode.workspace.textDocuments) {
      const shown = this.#shown.get(uri.toString());
      if (shown !== undefined && shown !== counts.get(sessionOf(uri))) this.#changes.fire(uri);
    }
  }
}

/** Commands of one block; a session that can only be read is not the start of another one. */
function lensesOf(
  session: string,
  { line, step, at, tree }: ReplayBlock,
  derives: boolean,
): vscode.CodeLens[] {
  const range = new vscode.Range(line, 0, line, 0);
  const lens = (title: string, command: string, from = step): vscode.CodeLens =>
    new vscode.CodeLens(range, { title, command, arguments: [{ session, step: from }] });
  const output = lens("Open output", "cairn.openOutput");
  const files = [
    lens("Files at this step", "cairn.showFilesAtStep"),
    lens("Diff to now", "cairn.diffToNow"),
    lens("Diff to another step…", "cairn.diffToStep"),
  ];
  const reasons = lens("Explain", "cairn.explainStep", at ?? step);
  const derived =
    at === null
      ? []
      : [
          lens("Replay from here", "cairn.replayFromStep", at),
          lens("Fork from here", "cairn.forkSession", at),
        ];
  return [output, ...(tree === "" ? [] : files), reasons, ...(derives ? derived : [])];
}

/** The session whose replay, or a part of it, is at an address. */
export function sessionOf(uri: vscode.Uri): string {
  return uri.path.split("/")[1] ?? "";
}
