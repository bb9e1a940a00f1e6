import * as vscode from "vscode";
import { findingLines } from "../core/findingLines.ts";
import { requireTrust, type Folders } from "./folders.ts";
import { readSettings } from "./settings.ts";

const scheme = "cairn-policy";

/** What was last found of a folder's sandbox, as a read-only document. */
export class SandboxPolicy implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #folders: Folders;
  readonly #found = new Map<string, string>();
  readonly #changes = new vscode.EventEmitter<vscode.Uri>();
  readonly #subscriptions: vscode.Disposable;

  constructor(folders: Folders) {
    this.#folders = folders;
    this.#subscriptions = vscode.Disposable.from(
      this.#changes,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
    );
  }

  readonly onDidChange: vscode.Event<vscode.Uri> = (listener, self, disposables) =>
    this.#changes.event(listener, self, disposables);

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.#found.get(uri.path) ?? "Run Cairn: Show Sandbox Policy to check the sandbox.\n";
  }

  /** Checks the sandbox that a new session in the folder would get, and opens what was found. */
  async show(): Promise<string | undefined> {
    const folder = await this.#folders.choose("Folder whose sandbox is checked");
    if (folder === undefined) return;
    requireTrust();
    const sessions = await this.#folders.sessions(folder);
    const check = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: "Trying each wall of the sandbox" },
      async () => sessions.checkSandbox(readSettings(folder.uri)["sandbox.backend"]),
    );
    const uri = vscode.Uri.from({ scheme, path: `/${folder.key}/Sandbox Policy.txt` });
    this.#found.set(uri.path, `${findingLines(check).join("\n")}\n`);
    this.#changes.fire(uri);
    await vscode.window.showTextDocument(uri, { preview: true });
    return uri.toString();
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}
