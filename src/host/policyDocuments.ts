import * as vscode from "vscode";
import type { Folder } from "./folders.ts";

const scheme = "cairn-policy";

/** What holds for a folder, as read-only documents. */
export class PolicyDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changes = new vscode.EventEmitter<vscode.Uri>();
  readonly #subscriptions: vscode.Disposable;

  constructor() {
    this.#subscriptions = vscode.Disposable.from(
      this.#changes,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
    );
  }

  readonly onDidChange: vscode.Event<vscode.Uri> = (listener, self, disposables) =>
    this.#changes.event(listener, self, disposables);

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#texts.get(uri.path) ?? "Run the command of Cairn that showed this once more.\n";
  }

  /** Opens lines under a name; resolves with the document's address. */
  async show({ key }: Folder, name: string, lines: readonly string[]): Promise<string> {
    const uri = vscode.Uri.from({ scheme, path: `/${key}/${name}.txt` });
    this.#texts.set(uri.path, `${lines.join("\n")}\n`);
    this.#changes.fire(uri);
    await vscode.window.showTextDocument(uri, { preview: true });
    return uri.toString();
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}
