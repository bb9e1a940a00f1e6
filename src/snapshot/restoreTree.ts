import type { Stats } from "node:fs";
import type { HeldDirectory, Owner } from "./heldDirectory.ts";
import { pacer } from "./pacer.ts";
import type { Reach } from "./reach.ts";
import { fileMode, sameLeaf } from "./readTree.ts";
import { removeEntry } from "./safeWrite.ts";
import { SeenLeaf, SeenStat, type Reading, type SeenFolder } from "./seenTree.ts";
import { sha256 } from "./sha256.ts";
import { Visits, type StoredTrees } from "./storedTrees.ts";
import { TreeCopy } from "./treeCopy.ts";
import { isFile, type Entry, type FolderEntry, type Leaf } from "./treeObject.ts";

/** Contents that are fetched at once. */
const batch = 64;

export interface RestoreOptions {
  readonly stored: StoredTrees;
  readonly owner: Owner | null;
  /** What is known of the files that lie there already. */
  readonly known: SeenFolder | null;
  /** Told of everything that is there afterwards. */
  readonly reading: Reading;
}

/** Makes the directory exactly the stored tree; files that are right already are not touched. */
export async function restoreTree(
  root: Reach,
  tree: string,
  options: RestoreOptions,
): Promise<SeenFolder> {
  const digest = await options.stored.rootOf(tree);
  const wanted = { digest, depth: 0, stat: root.held.self() };
  return new TreeRestore(root.held, options).folder(root, wanted, options.known);
}

interface Wanted {
  readonly digest: string;
  readonly depth: number;
  /** Of the directory as it was found; null when it was just made. */
  readonly stat: Stats | null;
}

class TreeRestore {
  readonly #root: HeldDirectory;
  readonly #options: RestoreOptions;
  readonly #pace = pacer();
  readonly #visits = new Visits();

  constructor(root: HeldDirectory, options: RestoreOptions) {
    this.#root = root;
    this.#options = options;
  }

  async folder(
    directory: Reach,
    { digest, depth, stat }: Wanted,
    known: SeenFolder | null,
  ): Promise<SeenFolder> {
    this.#visits.count(depth);
    const entries = await this.#options.stored.folderToWalk(digest);
    const listed = stat !== null && known?.listing?.isStill(stat) === true;
    // Where no name came or went, and the names are those that are wanted, nothing is to be removed.
    const same = listed && known.digest === digest;
    if (!same) await this.#removeOthers(directory.held, new Set(entries.map(({ name }) => name)));
    const leaves = new Map<string, SeenLeaf>();
    const folders = new Map<string, SeenFolder>();
    const made = await this.#leaves(directory, entries, { known, leaves });
    const inner = entries.filter((entry): entry is FolderEntry => entry.mode === "folder");
    for (const entry of inner) {
      const before = known?.folders.get(entry.name) ?? null;
      folders.set(entry.name, await this.#inner(directory, entry, { depth, before }));
    }
    const now = same && !made ? stat : directory.held.self();
    const listing = new SeenStat(now, this.#options.reading);
    return { digest, entries, leaves, folders, listing };
  }

  /** Makes what is not right; false when all was. */
  async #leaves(
    directory: Reach,
    entries: readonly Entry[],
    seen: { readonly known: SeenFolder | null; readonly leaves: Map<string, SeenLeaf> },
  ): Promise<boolean> {
    const wrong: Leaf[] = [];
    for (const entry of entries) {
      if (entry.mode === "folder") continue;
      const right = this.#right(directory, entry, seen.known?.leaves.get(entry.name));
      if (right === null) wrong.push(entry);
      else seen.leaves.set(entry.name, right);
      const rest = this.#pace();
      if (rest !== null) await rest;
    }
    for (let from = 0; from < wrong.length; from += batch) {
      await this.#make(directory.held, wrong.slice(from, from + batch), seen.leaves);
    }
    return wrong.length > 0;
  }

  async #removeOthers(directory: HeldDirectory, wanted: ReadonlySet<string>): Promise<void> {
    const { names, broken } = directory.list();
    const others = [...broken, ...names.filter((name) => !wanted.has(name))];
    if (others.length > 0) directory.makeWritable();
    for (const name of others) {
      await removeEntry(this.#root, directory, name);
      const rest = this.#pace();
      if (rest !== null) await rest;
    }
  }

  async #inner(
    directory: Reach,
    { name, digest }: FolderEntry,
    { depth, before }: { readonly depth: number; readonly before: SeenFolder | null },
  ): Promise<SeenFolder> {
    const found = directory.glance(name);
    const stat = found?.isDirectory() === true ? found : null;
    if (stat === null) {
      directory.held.makeWritable();
      await removeEntry(this.#root, directory.held, name);
      directory.held.make(name);
    }
    return directory.into(name, async (child) => {
      if (stat === null && this.#options.owner !== null) child.held.own(this.#options.owner);
      return this.folder(child, { digest, depth: depth + 1, stat }, before);
    });
  }

  async #make(
    directory: HeldDirectory,
    entries: readonly Leaf[],
    leaves: Map<string, SeenLeaf>,
  ): Promise<void> {
    const { stored, owner, reading } = this.#options;
    const contents = await Promise.all(
      entries.map(async (entry) => (isFile(entry) ? stored.bytes(entry) : null)),
    );
    directory.makeWritable();
    const copy = new TreeCopy(directory, owner);
    for (const [index, entry] of entries.entries()) {
      await removeEntry(this.#root, directory, entry.name);
      const stat = copy.leaf(entry, contents[index] ?? null);
      leaves.set(entry.name, new SeenLeaf(entry, stat, reading));
      const rest = this.#pace();
      if (rest !== null) await rest;
    }
  }

  /** What is there, when it is what the entry says. */
  #right(directory: Reach, entry: Leaf, seen: SeenLeaf | undefined): SeenLeaf | null {
    const stat = directory.glance(entry.name);
    if (stat === null) return null;
    if (seen?.isStill(stat) === true && stat.nlink === 1) {
      return sameLeaf(seen.entry, entry) ? seen : null;
    }
    const found = new SeenLeaf(entry, stat, this.#options.reading);
    if (entry.mode === "link") {
      const right =
        stat.isSymbolicLink() && directory.held.link(entry.name).toString() === entry.target;
      return right ? found : null;
    }
    // A file with a second name is never right: writing to the other name would change this one.
    if (!stat.isFile() || stat.nlink !== 1 || stat.size !== entry.size) return null;
    if (fileMode(stat) !== entry.mode) return null;
    return sha256(directory.held.read(entry.name, stat)) === entry.digest ? found : null;
  }
}
