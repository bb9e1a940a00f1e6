import * as vscode from "vscode";
import { treeScheme } from "./treeScheme.ts";

/** What is loaded when Cairn is used for the first time in a window. */
export interface Editor {
  readonly panel: vscode.WebviewViewProvider;
  readonly tree: vscode.TreeDataProvider<unknown>;
  readonly files: vscode.FileSystemProvider;
}

export interface FirstUse {
  /** The editor's parts, loaded once. */
  readonly load: () => Promise<Editor>;
  readonly sessions: vscode.TreeView<unknown>;
  /** Stands for Cairn until it is used; leaves the commands to the editor's parts then. */
  readonly subscriptions: vscode.Disposable;
}

/**
 * Commands and views that load the rest of Cairn when somebody uses them: a window in which nobody
 * does pays for none of it.
 */
export function onFirstUse(
  commands: readonly string[],
  open: () => Promise<(sessions: vscode.TreeView<unknown>) => Editor>,
): FirstUse {
  const treeChanges = new vscode.EventEmitter<unknown>();
  const sessions = vscode.window.createTreeView<unknown>("cairn.sessions", {
    showCollapseAll: true,
    treeDataProvider: {
      onDidChangeTreeData: treeChanges.event,
      getChildren: async (node) => (await load()).tree.getChildren(node),
      getTreeItem: async (node) => (await load()).tree.getTreeItem(node),
    },
  });
  let stand: vscode.Disposable | null = null;
  let editor: Promise<Editor> | null = null;
  const load = async (): Promise<Editor> => {
    editor ??= (async () => {
      const make = await open();
      // At once, so that there is no moment without the commands.
      stand?.dispose();
      const opened = make(sessions);
      opened.tree.onDidChangeTreeData?.((node) => treeChanges.fire(node));
      return opened;
    })();
    return editor;
  };
  stand = vscode.Disposable.from(
    ...commands.map((command) =>
      vscode.commands.registerCommand(command, async (argument: unknown) => {
        await load();
        return vscode.commands.executeCommand(command, argument);
      }),
    ),
  );
  const subscriptions = vscode.Disposable.from(
    { dispose: () => stand.dispose() },
    treeChanges,
    sessions,
    vscode.window.registerWebviewViewProvider(
      "cairn.approvals",
      {
        resolveWebviewView: async (view, context, token) =>
          (await load()).panel.resolveWebviewView(view, context, token),
      },
      { webviewOptions: { retainContextWhenHidden: true } },
    ),
    vscode.workspace.registerFileSystemProvider(treeScheme, lazyFiles(load), {
      isReadonly: true,
      isCaseSensitive: true,
    }),
  );
  return { load, sessions, subscriptions };
}

/** A stored tree never changes, so there is nothing to watch. */
function lazyFiles(load: () => Promise<Editor>): vscode.FileSystemProvider {
  const files = async (): Promise<vscode.FileSystemProvider> => (await load()).files;
  return {
    onDidChangeFile: () => new vscode.Disposable(() => {}),
    watch: () => new vscode.Disposable(() => {}),
    stat: async (uri) => (await files()).stat(uri),
    readFile: async (uri) => (await files()).readFile(uri),
    readDirectory: async (uri) => (await files()).readDirectory(uri),
    createDirectory: async (uri) => (await files()).createDirectory(uri),
    writeFile: async (uri, bytes, options) => (await files()).writeFile(uri, bytes, options),
    delete: async (uri, options) => (await files()).delete(uri, options),
    rename: async (from, to, options) => (await files()).rename(from, to, options),
  };
}
