import { CairnError } from "../core/errors.ts";
import type { Blobs } from "./blobs.ts";
import { foldersOf, isManifest } from "./manifest.ts";
import { decodeFolder, isFile, unusable, type Entry, type FileEntry } from "./treeObject.ts";

/** Nobody makes a tree so deep, or so large, by capturing one. */
export const maxDepth = 100;
export const maxEntries = 200_000;
export const maxFolders = 50_000;
/** Folders that are kept in memory; beyond this all are forgotten and read again. */
const maxKept = 20_000;

/** A tree that somebody made up can name one folder in itself often enough to have no end. */
export class Visits {
  #folders = 0;

  /** Throws `snapshot.unsafe` when no tree that was captured is so deep, or has so many folders. */
  count(depth: number): void {
    this.#folders += 1;
    if (depth > maxDepth || this.#folders > maxFolders) throw unusable("it has no end");
  }
}

interface Walked {
  readonly digest: string;
  readonly prefix: string;
  readonly depth: number;
  readonly visits: Visits;
}

export interface PlacedFile {
  readonly path: string;
  readonly entry: FileEntry;
}

/** Stored trees: a folder is an object under the digest of its text, so what two trees share is stored and read once. */
export class StoredTrees {
  readonly #blobs: Pick<Blobs, "getBlob">;
  readonly #folders = new Map<string, readonly Entry[]>();
  /** Trees of the first format: the folders that they are today, which are not stored, by digest. */
  readonly #translated = new Map<string, readonly Entry[]>();
  readonly #roots = new Map<string, string>();

  constructor(blobs: Pick<Blobs, "getBlob">) {
    this.#blobs = blobs;
  }

  /** The digest that a tree has today, whatever format it is stored in. Throws as `folder`. */
  async rootOf(tree: string): Promise<string> {
    await this.folder(tree);
    return this.#roots.get(tree) ?? tree;
  }

  /** Entries of a folder, in order. Throws `snapshot.missing`, `snapshot.unsafe`. */
  async folder(digest: string): Promise<readonly Entry[]> {
    const today = this.#roots.get(digest) ?? digest;
    const known = this.#translated.get(today) ?? this.#folders.get(today);
    if (known !== undefined) return known;
    const bytes = await this.#blobs.getBlob(digest);
    if (bytes === null) throw missing(`The workspace tree ${digest.slice(0, 12)}`);
    if (!isManifest(bytes)) {
      const entries = decodeFolder(bytes);
      if (this.#folders.size >= maxKept) this.#folders.clear();
      this.#folders.set(digest, entries);
      return entries;
    }
    const { root, folders } = foldersOf(bytes);
    for (const [inner, entries] of folders) this.#translated.set(inner, entries);
    this.#roots.set(digest, root);
    return folders.get(root) ?? [];
  }

  /** The same, with the folders in it read ahead. */
  async folderToWalk(digest: string): Promise<readonly Entry[]> {
    const entries = await this.folder(digest);
    // One after the other each folder would wait for the store.
    await Promise.all(
      entries.map(async (entry) => (entry.mode === "folder" ? this.folder(entry.digest) : null)),
    );
    return entries;
  }

  async bytes(entry: FileEntry): Promise<Uint8Array> {
    const bytes = await this.#blobs.getBlob(entry.digest);
    if (bytes === null) throw missing(`The stored content of ${entry.name}`);
    return bytes;
  }

  /** All files of a tree, sorted by path. */
  async files(tree: string): Promise<readonly PlacedFile[]> {
    const found: PlacedFile[] = [];
    await this.#walk({ digest: tree, prefix: "", depth: 0, visits: new Visits() }, found);
    return found.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  }

  /** The file at a path; null when there is none. */
  async find(tree: string, path: string): Promise<FileEntry | null> {
    const segments = path.split("/");
    const last = segments.pop();
    let digest = tree;
    for (const segment of segments) {
      const entry = (await this.folder(digest)).find(({ name }) => name === segment);
      if (entry?.mode !== "folder") return null;
      ({ digest } = entry);
    }
    const found = (await this.folder(digest)).find(({ name }) => name === last);
    return found !== undefined && isFile(found) ? found : null;
  }

  async #walk({ digest, prefix, depth, visits }: Walked, found: PlacedFile[]): Promise<void> {
    visits.count(depth);
    const entries = await this.folderToWalk(digest);
    for (const entry of entries) {
      const path = `${prefix}${entry.name}`;
      if (isFile(entry)) found.push({ path, entry });
      else if (entry.mode === "folder") {
        const inner = { digest: entry.digest, prefix: `${path}/`, depth: depth + 1, visits };
        await this.#walk(inner, found);
      }
    }
  }
}

export function missing(what: string): CairnError {
  return new CairnError(
    "snapshot.missing",
    `${what} is not in the store. Choose another checkpoint.`,
  );
}
