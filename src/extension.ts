import { join } from "node:path";
import * as vscode from "vscode";
import { CairnError } from "./core/errors.ts";
import { registerCommands } from "./host/commands.ts";
import { Folders } from "./host/folders.ts";
import { KnownSessions } from "./host/knownSessions.ts";
import { openLog } from "./host/log.ts";
import { Panel } from "./host/panel.ts";
import { ReplayDocuments } from "./host/replayDocument.ts";
import { Runs } from "./host/runs.ts";
import { readApiKey } from "./host/secrets.ts";
import { SessionsTree } from "./host/sessionsTree.ts";
import { readSettings } from "./host/settings.ts";
import { statusBar } from "./host/statusBar.ts";
import { TreeFiles, treeScheme } from "./host/treeFiles.ts";

/** The editor gives a window that closes a few seconds. */
const closeMs = 4000;

let folders: Folders | null = null;

/** Wiring. The engine and all that it imports are loaded when a session is listed or started. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  await requireSqlite();
  const { extensionUri, extensionPath, secrets, subscriptions, workspaceState } = context;
  const log = openLog();
  folders = new Folders(async (folder) => {
    const { Engine } = await import("./engine.ts");
    const settings = readSettings(folder.uri);
    const socket = settings["sandbox.dockerSocket"];
    return new Engine({
      workspace: folder.uri.fsPath,
      dist: new URL(".", import.meta.url),
      shippedSkills: join(extensionPath, "skills"),
      version: String(context.extension.packageJSON.version),
      image: settings["sandbox.image"],
      dockerSocket: socket === "" ? null : socket,
      environment: process.env,
      apiKey: async () => readApiKey(secrets, readSettings(folder.uri)["model.url"]),
      log: log.write,
      onRecord: (record) => known.add(folder, record),
    });
  }, workspaceState);
  const known = new KnownSessions(folders, log.write);
  const runs = new Runs(known, log.write);
  const replays = new ReplayDocuments(known);
  const tree = vscode.window.createTreeView("cairn.sessions", {
    treeDataProvider: new SessionsTree(known),
    showCollapseAll: true,
  });
  const panel = new Panel({
    extension: extensionUri,
    known,
    runs,
    log: log.write,
    badge: (badge) => {
      tree.badge = badge;
    },
  });
  const refresh = (): void => void known.refresh();
  subscriptions.push(
    log,
    known,
    replays,
    tree,
    panel,
    statusBar(known),
    vscode.window.registerWebviewViewProvider("cairn.approvals", panel, {
      webviewOptions: { retainContextWhenHidden: true },
    }),
    vscode.workspace.registerFileSystemProvider(treeScheme, new TreeFiles(folders), {
      isReadonly: true,
      isCaseSensitive: true,
    }),
    registerCommands({ folders, known, runs, panel, replays, secrets, log }),
    tree.onDidChangeVisibility(refresh),
    vscode.window.onDidChangeWindowState(({ focused }) => focused && refresh()),
    vscode.workspace.onDidGrantWorkspaceTrust(refresh),
    vscode.workspace.onDidChangeWorkspaceFolders(refresh),
  );
  // After this turn of the loop: the engine is not part of the activation.
  setImmediate(refresh);
}

/** Sessions stay as they are on record; what they have running is ended. */
export async function deactivate(): Promise<void> {
  const patience = new Promise<void>((resolve) => {
    setTimeout(resolve, closeMs);
  });
  await Promise.race([folders?.close(), patience]);
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
