import { sha256 } from "./sha256.ts";
import {
  encodeFolder,
  has,
  isName,
  leafOf,
  parsedEntries,
  unusable,
  type Entry,
  type Leaf,
} from "./treeObject.ts";

/** A tree as folders by their digests. */
export interface Folders {
  readonly root: string;
  readonly folders: ReadonlyMap<string, readonly Entry[]>;
}

const start = Buffer.from('{"format":1,');

/** Whether these bytes are a tree as Cairn stored it before 0.2: one list of all its paths. */
export function isManifest(bytes: Uint8Array): boolean {
  return start.equals(bytes.subarray(0, start.length));
}

/** Such a list as the folders that are stored today. Throws `snapshot.unsafe`. */
export function foldersOf(bytes: Uint8Array): Folders {
  const root: Draft = new Map();
  let last = "";
  for (const raw of parsedEntries(bytes, 1)) {
    const path = has(raw, "path") && typeof raw.path === "string" ? raw.path : "";
    const segments = path.split("/");
    if (!segments.every(isName)) {
      throw unusable(`${JSON.stringify(path)} is no path inside a tree`);
    }
    if (path <= last) throw unusable(`${JSON.stringify(path)} is out of order`);
    last = path;
    const name = segments.pop() ?? "";
    const parent = segments.reduce(inner, root);
    if (parent.has(name)) throw unusable(`${JSON.stringify(path)} is there twice`);
    const folder = has(raw, "mode") && raw.mode === "directory";
    parent.set(name, folder ? new Map() : leafOf(name, raw));
  }
  return whole(root);
}

/** Files at these paths, as the folders that are stored today. */
export function foldersWith(
  files: readonly { readonly path: string; readonly entry: Leaf }[],
): Folders {
  const root: Draft = new Map();
  for (const { path, entry } of files) {
    path.split("/").slice(0, -1).reduce(inner, root).set(entry.name, entry);
  }
  return whole(root);
}

function whole(root: Draft): Folders {
  const folders = new Map<string, readonly Entry[]>();
  return { root: sealed(root, folders), folders };
}

type Draft = Map<string, Leaf | Draft>;

function inner(folder: Draft, name: string): Draft {
  const found = folder.get(name) ?? new Map();
  if (!(found instanceof Map)) {
    throw unusable(`something lies in ${JSON.stringify(name)}, which is no folder`);
  }
  folder.set(name, found);
  return found;
}

function sealed(draft: Draft, into: Map<string, readonly Entry[]>): string {
  const entries = [...draft].map(([name, node]): Entry =>
    node instanceof Map ? { name, mode: "folder", digest: sealed(node, into) } : node,
  );
  entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  const digest = sha256(encodeFolder(entries));
  into.set(digest, entries);
  return digest;
}
