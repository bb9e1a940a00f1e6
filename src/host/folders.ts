import { createHash } from "node:crypto";
import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { Sessions } from "../core/sessions.ts";

/** An open workspace folder. */
export interface Folder {
  /** Short and safe in an address; the same for the same folder. */
  readonly key: string;
  readonly name: string;
  readonly uri: vscode.Uri;
}

type OpenSessions = (folder: Folder) => Promise<Sessions>;

/** The open folders, each with its sessions, which are made when something needs them. */
export class Folders {
  readonly #open: OpenSessions;
  readonly #used: vscode.Memento;
  readonly #sessions = new Map<string, Promise<Sessions>>();

  /** `used` remembers folders whose store is not inside them. */
  constructor(open: OpenSessions, used: vscode.Memento) {
    this.#open = open;
    this.#used = used;
  }

  get all(): readonly Folder[] {
    return openFolders();
  }

  /** The folder for something new; asks when there are several. Throws `workspace.none`. */
  async choose(placeHolder: string): Promise<Folder | undefined> {
    const [first, ...others] = this.all;
    if (first === undefined) {
      throw new CairnError(
        "workspace.none",
        "Open a folder first: Cairn keeps its sessions in it.",
      );
    }
    if (others.length === 0) return first;
    const picked = await vscode.window.showWorkspaceFolderPick({
      placeHolder,
      ignoreFocusOut: true,
    });
    return this.all.find(({ uri }) => uri.toString() === picked?.uri.toString());
  }

  /** Throws `workspace.untrusted`, and what opening a store throws; the next call tries again. */
  async sessions(folder: Folder): Promise<Sessions> {
    requireTrust();
    const opened = this.#sessions.get(folder.key) ?? this.#start(folder);
    this.#sessions.set(folder.key, opened);
    try {
      return await opened;
    } catch (error) {
      this.#sessions.delete(folder.key);
      throw error;
    }
  }

  /** Folders that have sessions to look at. Opens and makes nothing. */
  async withSessions(): Promise<readonly Folder[]> {
    const found = await foldersWithSessions(this.#used);
    const keys = new Set([...found.map(({ key }) => key), ...this.#sessions.keys()]);
    return this.all.filter(({ key }) => keys.has(key));
  }

  async close(): Promise<void> {
    const opened = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.allSettled(opened.map(async (sessions) => (await sessions).close()));
  }

  async #start(folder: Folder): Promise<Sessions> {
    const sessions = await this.#open(folder);
    await this.#used.update(usedKey(folder), true);
    if (sessions.notice !== null) void vscode.window.showInformationMessage(sessions.notice);
    return sessions;
  }
}

/** The folders of the workspace as they are now. */
export function openFolders(): readonly Folder[] {
  return (vscode.workspace.workspaceFolders ?? []).map(({ name, uri }) => {
    const key = createHash("sha256").update(uri.toString()).digest("hex").slice(0, 12);
    return { key, name, uri };
  });
}

/** Trusted folders with a store, or whose store is remembered to lie elsewhere. Opens and makes nothing. */
export async function foldersWithSessions(used: vscode.Memento): Promise<readonly Folder[]> {
  if (!vscode.workspace.isTrusted) return [];
  const folders = openFolders();
  const found = await Promise.all(folders.map(async (folder) => hasSessions(folder, used)));
  return folders.filter((_, place) => found[place] === true);
}

async function hasSessions(folder: Folder, used: vscode.Memento): Promise<boolean> {
  if (used.get(usedKey(folder)) === true) return true;
  try {
    await vscode.workspace.fs.stat(vscode.Uri.joinPath(folder.uri, ".cairn", "sessions.db"));
    return true;
  } catch {
    return false;
  }
}

/** Throws `workspace.untrusted`. */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new CairnError(
    "workspace.untrusted",
    "This folder is not trusted, so Cairn runs nothing in it. Trust it to go on.",
  );
}

function usedKey({ key }: Folder): string {
  return `used.${key}`;
}
