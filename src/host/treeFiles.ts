import * as vscode from "vscode";
import type { Folder, Folders } from "./folders.ts";
import { treeScheme } from "./treeScheme.ts";

/** Names no tree: every file in it is empty. The other side of a diff with a file that is gone. */
export const emptyTree = "empty";

/** Address of a file as a session had it: `cairn-tree://FOLDER/PATH?TREE`. People see the path. */
export function treeUri({ key }: Folder, tree: string, path: string): vscode.Uri {
  return vscode.Uri.from({ scheme: treeScheme, authority: key, path: `/${path}`, query: tree });
}

/** Stored trees as a read-only file system. Bytes come from the store, never from a working copy. */
export class TreeFiles implements vscode.FileSystemProvider {
  readonly #folders: Folders;

  constructor(folders: Folders) {
    this.#folders = folders;
  }

  /** A stored tree never changes. */
  readonly onDidChangeFile: vscode.Event<vscode.FileChangeEvent[]> = () =>
    new vscode.Disposable(() => {});

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => {});
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const times = { ctime: 0, mtime: 0, permissions: vscode.FilePermission.Readonly };
    const bytes = await this.#bytes(uri);
    if (bytes !== null) return { ...times, type: vscode.FileType.File, size: bytes.length };
    if ((await this.#children(uri)).size === 0) throw vscode.FileSystemError.FileNotFound(uri);
    return { ...times, type: vscode.FileType.Directory, size: 0 };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const bytes = await this.#bytes(uri);
    if (bytes === null) throw vscode.FileSystemError.FileNotFound(uri);
    return bytes;
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    return [...(await this.#children(uri))];
  }

  createDirectory(): never {
    return refuse();
  }

  writeFile(): never {
    return refuse();
  }

  delete(): never {
    return refuse();
  }

  rename(): never {
    return refuse();
  }

  async #bytes(uri: vscode.Uri): Promise<Uint8Array | null> {
    const { tree, path } = placeOf(uri);
    if (tree === emptyTree) return new Uint8Array();
    return (await this.#trees(uri)).file(tree, path);
  }

  async #children(uri: vscode.Uri): Promise<ReadonlyMap<string, vscode.FileType>> {
    const { tree, path } = placeOf(uri);
    const prefix = path === "" ? "" : `${path}/`;
    const below = (await (await this.#trees(uri)).list(tree)).filter((file) =>
      file.startsWith(prefix),
    );
    return new Map(
      below.map((file) => {
        const [name = "", ...deeper] = file.slice(prefix.length).split("/");
        return [name, deeper.length > 0 ? vscode.FileType.Directory : vscode.FileType.File];
      }),
    );
  }

  async #trees(uri: vscode.Uri) {
    const folder = this.#folders.all.find(({ key }) => key === uri.authority);
    if (folder === undefined) throw vscode.FileSystemError.FileNotFound(uri);
    return (await this.#folders.sessions(folder)).trees;
  }
}

function placeOf({ path, query }: vscode.Uri): { readonly tree: string; readonly path: string } {
  return { tree: query, path: path.slice(1) };
}

function refuse(): never {
  throw vscode.FileSystemError.NoPermissions("A file of a recorded step cannot be changed.");
}
