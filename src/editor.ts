import { join } from "node:path";
import * as vscode from "vscode";
import { openAudit } from "./auditParts.ts";
import { Engine } from "./engine.ts";
import type { EngineOptions } from "./engineOptions.ts";
import { processSecrets, processWorkers } from "./processParts.ts";
import { pruneAuditQuietly } from "./host/auditCommands.ts";
import { registerCommands } from "./host/commands.ts";
import { FolderFacts } from "./host/folderFacts.ts";
import { githubSession } from "./host/githubSession.ts";
import type { Editor } from "./host/firstUse.ts";
import { Folders, type Folder } from "./host/folders.ts";
import { StartNews } from "./host/startNews.ts";
import { KnownSessions } from "./host/knownSessions.ts";
import { openLog } from "./host/log.ts";
import { Operator } from "./host/operator.ts";
import { Panel } from "./host/panel.ts";
import { pruneQuietly } from "./host/pruneQuietly.ts";
import { ReplayDocuments } from "./host/replayDocument.ts";
import { Runs } from "./host/runs.ts";
import { NamedSecrets } from "./host/namedSecrets.ts";
import { readApiKey } from "./host/secrets.ts";
import { PolicyDocuments } from "./host/policyDocuments.ts";
import { StateAnchors } from "./host/stateAnchors.ts";
import { SessionsTree } from "./host/sessionsTree.ts";
import { readSettings } from "./host/settings.ts";
import { statusBar } from "./host/statusBar.ts";
import { TreeFiles } from "./host/treeFiles.ts";
import { world } from "./world.ts";

export interface OpenEditor extends Editor {
  /** Sessions stay as they are on record; what they have running is ended. */
  close(): Promise<void>;
}

/** Makes every part of the editor and joins them with the engine. No logic. */
export function openEditor(
  context: vscode.ExtensionContext,
  view: vscode.TreeView<unknown>,
): OpenEditor {
  const { extensionUri, secrets, subscriptions, workspaceState, globalState } = context;
  const registered = processSecrets(process.env);
  const log = openLog(registered.exported.text);
  const workers = processWorkers(process.env, log.write);
  const audit = openAudit(process.env, {
    log: log.write,
    redactor: registered.persisted,
    anchors: (name) => new StateAnchors(globalState, name),
  });
  const folders = new Folders(async (folder) => {
    const sessions = new Engine({
      ...engineOptions(context, folder),
      log: log.write,
      workers,
      audit,
      secrets: registered,
      onRecord: (record) => known.add(folder, record),
    });
    void pruneQuietly(folder, sessions, log.write).then(refresh);
    return sessions;
  }, workspaceState);
  const known = new KnownSessions(folders, log.write);
  const refresh = (): void => void known.refresh();
  const runs = new Runs(known, log.write);
  const replays = new ReplayDocuments(known);
  const policy = new PolicyDocuments();
  const operator = new Operator();
  const panel = new Panel({
    extension: extensionUri,
    known,
    runs,
    operator,
    log: log.write,
    world,
    badge: (badge) => {
      view.badge = badge;
    },
  });
  const commands = { folders, known, runs, panel, operator, replays, policy, audit, secrets, log };
  subscriptions.push(
    log,
    known,
    replays,
    policy,
    operator,
    panel,
    statusBar(known, async () => workers.statuses()),
    registerCommands({ ...commands, news: new StartNews() }),
    view.onDidChangeVisibility(refresh),
    vscode.window.onDidChangeWindowState(({ focused }) => focused && refresh()),
    vscode.workspace.onDidGrantWorkspaceTrust(refresh),
    vscode.workspace.onDidChangeWorkspaceFolders(refresh),
  );
  refresh();
  if (vscode.workspace.isTrusted) void pruneAuditQuietly(audit, log.write);
  return {
    panel,
    tree: new SessionsTree(known),
    files: new TreeFiles(folders),
    close: async () => {
      await folders.close();
      await workers.close();
      await audit.close();
    },
  };
}

/** What of a folder's sessions the settings say. */
function engineOptions(
  { extensionPath, extension, secrets }: vscode.ExtensionContext,
  { uri }: Folder,
): Omit<EngineOptions, "log" | "onRecord"> {
  const settings = readSettings(uri);
  const socket = settings["sandbox.dockerSocket"];
  const runtime = settings["sandbox.runtime"];
  const named = new NamedSecrets(secrets);
  return {
    workspace: uri.fsPath,
    dist: new URL(".", import.meta.url),
    shippedSkills: join(extensionPath, "skills"),
    version: String(extension.packageJSON.version),
    image: settings["sandbox.image"],
    dockerSocket: socket === "" ? null : socket,
    runtime: runtime === "" ? null : runtime,
    gpus: settings["sandbox.gpus"],
    environment: process.env,
    apiKey: async (url) => readApiKey(secrets, url),
    secret: async (name) => named.read(name),
    secretNames: async () => named.names(),
    editor: { facts: new FolderFacts(uri), github: githubSession },
  };
}
