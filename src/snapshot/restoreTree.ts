import { lchownSync, symlinkSync, type BigIntStats } from "node:fs";
import type { HeldDirectory, Owner } from "./heldDirectory.ts";
import type { FileEntry, LinkEntry, TreeEntry } from "./manifest.ts";
import { pacer } from "./pacer.ts";
import { fileMode } from "./readTree.ts";
import { removeEntry, writeFile } from "./safeWrite.ts";
import { sha256 } from "./sha256.ts";
import type { StatIndex } from "./statIndex.ts";

export interface RestoreSource {
  readonly owner: Owner | null;
  /** What is known of the files that lie there already. */
  readonly known: StatIndex;
  bytes(entry: FileEntry): Promise<Uint8Array>;
}

/** Makes the directory exactly the entries; files that are right already are not touched. */
export async function restoreTree(
  root: HeldDirectory,
  entries: readonly TreeEntry[],
  source: RestoreSource,
): Promise<void> {
  await new TreeRestore(root, source).directory(root, "", nest(entries));
}

type Leaf = FileEntry | LinkEntry;
type Folder = Map<string, Leaf | Folder>;

class TreeRestore {
  readonly #root: HeldDirectory;
  readonly #source: RestoreSource;
  readonly #pace = pacer();

  constructor(root: HeldDirectory, source: RestoreSource) {
    this.#root = root;
    this.#source = source;
  }

  async directory(directory: HeldDirectory, path: string, wanted: Folder): Promise<void> {
    directory.makeWritable();
    for (const raw of directory.names()) {
      const name = raw.toString();
      const known = Buffer.from(name).equals(raw) && wanted.has(name);
      if (!known) await removeEntry(this.#root, directory, raw);
      await this.#pace();
    }
    for (const [name, node] of wanted) {
      if (node instanceof Map) await this.#folder(directory, name, path, node);
      else if (node.mode === "link") await this.#link(directory, name, node);
      else await this.#file(directory, name, node);
      await this.#pace();
    }
  }

  async #folder(
    directory: HeldDirectory,
    name: string,
    path: string,
    wanted: Folder,
  ): Promise<void> {
    const stat = directory.stat(name);
    if (stat !== null && !stat.isDirectory()) await removeEntry(this.#root, directory, name);
    const made = directory.make(name);
    await directory.enter(name, async (child) => {
      if (made && this.#source.owner !== null) child.own(this.#source.owner);
      await this.directory(child, `${path}${name}/`, wanted);
    });
  }

  async #link(directory: HeldDirectory, name: string, entry: LinkEntry): Promise<void> {
    const stat = directory.stat(name);
    if (stat?.isSymbolicLink() === true && directory.link(name).toString() === entry.target) return;
    if (stat !== null) await removeEntry(this.#root, directory, name);
    symlinkSync(entry.target, directory.at(name));
    const { owner } = this.#source;
    if (owner !== null) lchownSync(directory.at(name), owner.uid, owner.gid);
  }

  async #file(directory: HeldDirectory, name: string, entry: FileEntry): Promise<void> {
    const stat = directory.stat(name);
    if (stat?.isFile() === true && this.#isRight(directory, name, entry, stat)) return;
    if (stat?.isDirectory() === true) await removeEntry(this.#root, directory, name);
    writeFile(directory, name, await this.#source.bytes(entry), {
      mode: entry.mode === "exec" ? 0o755 : 0o644,
      owner: this.#source.owner,
      flush: false,
    });
  }

  /** A file with a second name is never right: writing to the other name would change this one. */
  #isRight(directory: HeldDirectory, name: string, entry: FileEntry, stat: BigIntStats): boolean {
    if (stat.nlink !== 1n || Number(stat.size) !== entry.size || fileMode(stat) !== entry.mode) {
      return false;
    }
    const digest =
      this.#source.known.digest(entry.path, stat) ?? sha256(directory.read(name, stat));
    return digest === entry.digest;
  }
}

function nest(entries: readonly TreeEntry[]): Folder {
  const root: Folder = new Map();
  for (const entry of entries) {
    const segments = entry.path.split("/");
    const name = segments.pop() ?? "";
    let folder = root;
    for (const segment of segments) {
      const inner = folder.get(segment);
      const next: Folder = inner instanceof Map ? inner : new Map();
      folder.set(segment, next);
      folder = next;
    }
    folder.set(name, entry.mode === "directory" ? new Map() : entry);
  }
  return root;
}
