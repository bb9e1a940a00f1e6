import type { Stats } from "node:fs";
import { posix } from "node:path";
import { CairnError } from "../core/errors.ts";
import type { LeftOut } from "../core/records.ts";
import { errorCode } from "./errorCode.ts";
import { pacer } from "./pacer.ts";
import type { Reach } from "./reach.ts";
import { isRemainder } from "./safeWrite.ts";
import { SeenLeaf, SeenStat, type Reading, type SeenFolder } from "./seenTree.ts";
import { maxDepth, maxEntries, maxFolders } from "./storedTrees.ts";
import type { StoreQueue } from "./storeQueue.ts";
import type { TreeCopy } from "./treeCopy.ts";
import {
  encodeFolder,
  type Entry,
  type FileEntry,
  type Leaf,
  type LinkEntry,
} from "./treeObject.ts";

export interface ReadRules {
  readonly maxFileBytes: number;
  /** Of all files together. */
  readonly maxBytes: number;
  /** Why a path is left out, null when it is not. */
  readonly skip: (path: string, isFolder: boolean) => string | null;
  /** Whether links that lead out of the tree are kept. They are never followed either way. */
  readonly outwardLinks: boolean;
  readonly secrets: SecretsHere;
}

/** What keeps secrets out of stored trees, and out of what is shown of them. */
export interface SecretsHere {
  /** Whether bytes hold a value that is known to be secret. */
  readonly areIn: (bytes: Uint8Array) => boolean;
  /** The text without secrets. */
  readonly text: (text: string) => string;
}

/** Keeps everything that a size does not forbid. */
export function keepAll(
  limits: Pick<ReadRules, "maxFileBytes" | "maxBytes" | "secrets">,
): ReadRules {
  return { ...limits, skip: () => null, outwardLinks: true };
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly stat: Stats;
  readonly copy: TreeCopy | null;
}

interface Draft {
  readonly entries: Entry[];
  readonly leaves: Map<string, SeenLeaf>;
  readonly folders: Map<string, SeenFolder>;
  /** Whether an entry differs from what is known of the folder. */
  changed: boolean;
}

/**
 * One reading of a directory into the store. What is known and still the same is not read again,
 * and a folder with nothing new in it is not even encoded. With a copy, everything is also made
 * there as it is read, and what is seen is the copy's.
 */
export class TreeReader {
  readonly leftOut: LeftOut[] = [];
  files = 0;
  bytes = 0;
  readonly #queue: StoreQueue;
  readonly #rules: ReadRules;
  readonly #reading: Reading;
  readonly #pace = pacer();
  #entries = 0;
  #folders = 0;

  constructor(queue: StoreQueue, rules: ReadRules, reading: Reading) {
    this.#queue = queue;
    this.#rules = rules;
    this.#reading = reading;
  }

  /** Throws `snapshot.unsafe` when something is swapped under it. What it found is on disk once the queue is done. */
  async tree(
    root: Reach,
    known: SeenFolder | null,
    copy: TreeCopy | null = null,
  ): Promise<SeenFolder> {
    return this.#folder(root, { path: "", depth: 0, stat: root.held.self(), copy }, known);
  }

  async #folder(directory: Reach, place: Place, known: SeenFolder | null): Promise<SeenFolder> {
    const isListed = place.copy === null && known?.listing?.isStill(place.stat) === true;
    if (isListed && this.#leavesAreStill(directory, known)) {
      return this.#foldersOnly(directory, place, known);
    }
    const draft: Draft = { entries: [], leaves: new Map(), folders: new Map(), changed: false };
    const leftBefore = this.leftOut.length;
    const names = isListed ? known.entries.map(({ name }) => name) : this.#names(directory, place);
    for (const name of names) {
      const stat = directory.glance(name);
      if (stat === null) continue;
      const seen = known?.leaves.get(name);
      if (seen?.isStill(stat) === true && place.copy === null) this.#take(draft, seen);
      else await this.#look({ directory, name, stat, draft }, place, known);
    }
    this.#count(draft.entries.length);
    const whole = this.leftOut.length === leftBefore;
    const stat = place.copy === null ? place.stat : place.copy.stat();
    const listing = whole ? new SeenStat(stat, this.#reading) : null;
    return { ...this.#stored(draft, known), listing };
  }

  /** One look at each file of a folder in which no name came or went: mostly that is all there is to do. */
  #leavesAreStill(directory: Reach, known: SeenFolder): boolean {
    for (const [name, seen] of known.leaves) {
      const stat = directory.glance(name);
      if (stat === null || !seen.isStill(stat)) return false;
    }
    return true;
  }

  async #foldersOnly(directory: Reach, place: Place, known: SeenFolder): Promise<SeenFolder> {
    const { leaves, listing } = known;
    const draft: Draft = { entries: [], leaves: new Map(), folders: new Map(), changed: false };
    const leftBefore = this.leftOut.length;
    for (const name of known.folders.keys()) {
      const stat = directory.glance(name);
      if (stat !== null) await this.#look({ directory, name, stat, draft }, place, known);
    }
    for (const { entry } of leaves.values()) this.#weigh(entry);
    this.#count(known.entries.length);
    const isSame = [...known.folders].every(([name, folder]) => draft.folders.get(name) === folder);
    if (isSame) return known;
    const entries = [...draft.entries, ...[...leaves.values()].map(({ entry }) => entry)];
    const whole = this.leftOut.length === leftBefore;
    const stored = this.#stored({ ...draft, entries, leaves: new Map(leaves) }, known);
    return { ...stored, listing: whole ? listing : null };
  }

  #names(directory: Reach, { path }: Place): readonly string[] {
    const { names, broken } = directory.held.list();
    for (const name of broken)
      this.#leave(inside(path, String(name)), "its name is not valid UTF-8");
    return names;
  }

  #count(entries: number): void {
    this.#entries += entries;
    this.#folders += 1;
    if (this.#entries > maxEntries || this.#folders > maxFolders) throw tooMany();
  }

  #take(draft: Draft, seen: SeenLeaf): void {
    const { entry } = seen;
    draft.entries.push(entry);
    draft.leaves.set(entry.name, seen);
    this.#weigh(entry);
  }

  #weigh(entry: Leaf): void {
    if (entry.mode === "link") return;
    this.files += 1;
    this.bytes += entry.size;
  }

  async #look(at: Looked, within: Place, known: SeenFolder | null): Promise<void> {
    const { directory, name, stat, draft } = at;
    const { depth, copy } = within;
    const path = inside(within.path, name);
    const place = { ...within, path };
    const rest = this.#pace();
    if (rest !== null) await rest;
    const reason = leavesOut(this.#rules, { path, stat, depth, bytes: this.bytes });
    if (reason !== null) return this.#leave(path, reason);
    if (this.#isSecret(Buffer.from(name))) {
      return this.#leave(this.#rules.secrets.text(path), "its name holds a secret");
    }
    try {
      if (stat.isDirectory()) await this.#inner(at, place, known);
      else if (stat.isFile()) await this.#file(at, place, known);
      else {
        const entry = this.#link(name, path, directory.held.link(name));
        if (entry !== null) this.#add(draft, at, { entry, known, copy });
      }
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined; // gone since the listing
      if (errorCode(error) !== "EACCES") throw error;
      this.#leave(path, "it cannot be read");
    }
    return undefined;
  }

  async #inner(
    { directory, name, stat, draft }: Looked,
    { path, depth, copy }: Place,
    known: SeenFolder | null,
  ): Promise<void> {
    const before = known?.folders.get(name) ?? null;
    const folder = await directory.into(name, async (child) => {
      const inner = { path, depth: depth + 1, stat, copy };
      if (copy === null) return this.#folder(child, inner, before);
      return copy.folder(name, async (made) =>
        this.#folder(child, { ...inner, copy: made }, before),
      );
    });
    draft.folders.set(name, folder);
    draft.entries.push({ name, mode: "folder", digest: folder.digest });
    if (folder.digest !== before?.digest) draft.changed = true;
  }

  async #file(at: Looked, { path, copy }: Place, known: SeenFolder | null): Promise<void> {
    const { directory, name, stat, draft } = at;
    const bytes = directory.held.read(name, stat);
    if (this.#isSecret(bytes)) return this.#leave(path, "it holds a secret that Cairn knows");
    const before = known?.leaves.get(name)?.entry;
    const digest = this.#queue.add(bytes, before?.mode === "link" ? null : before?.digest);
    const entry: FileEntry = { name, mode: fileMode(stat), digest, size: bytes.length };
    this.#add(draft, at, { entry, known, copy, bytes });
    if (this.#queue.full) await this.#queue.room();
  }

  #add(
    draft: Draft,
    { name, stat }: Looked,
    found: {
      readonly entry: Leaf;
      readonly known: SeenFolder | null;
      readonly copy: TreeCopy | null;
      readonly bytes?: Uint8Array;
    },
  ): void {
    const { entry, known, copy, bytes } = found;
    const before = known?.leaves.get(name)?.entry;
    const same = before !== undefined && sameLeaf(before, entry);
    if (!same) draft.changed = true;
    const made = copy === null ? stat : copy.leaf(entry, bytes ?? null);
    this.#take(draft, new SeenLeaf(same ? before : entry, made, this.#reading));
  }

  #link(name: string, path: string, raw: Buffer): LinkEntry | null {
    if (this.#isSecret(raw)) {
      this.#leave(path, "the link's target holds a secret");
      return null;
    }
    const target = raw.toString();
    if (!Buffer.from(target).equals(raw)) {
      this.#leave(path, "the link's target is not valid UTF-8");
    } else if (!this.#rules.outwardLinks && leadsOut(path, target)) {
      this.#leave(path, "the link leads out of the folder");
    } else {
      return { name, mode: "link", target };
    }
    return null;
  }

  #stored(
    { entries, leaves, folders, changed }: Draft,
    known: SeenFolder | null,
  ): Omit<SeenFolder, "listing"> {
    if (known !== null && !changed && entries.length === known.entries.length) {
      return { digest: known.digest, entries: known.entries, leaves, folders };
    }
    return { digest: this.#queue.add(encodeFolder(entries)), entries, leaves, folders };
  }

  #isSecret(bytes: Uint8Array): boolean {
    return this.#rules.secrets.areIn(bytes);
  }

  #leave(path: string, reason: string): void {
    this.leftOut.push({ path, reason });
  }
}

/** A name in a directory as it is being looked at. */
interface Looked {
  readonly directory: Reach;
  readonly name: string;
  readonly stat: Stats;
  readonly draft: Draft;
}

function inside(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** Why something is left out by what can be said without reading it; null when it is not. */
export function leavesOut(
  { skip, maxFileBytes, maxBytes }: ReadRules,
  found: {
    readonly path: string;
    readonly stat: Stats;
    readonly depth: number;
    /** Of the files before it. */
    readonly bytes: number;
  },
): string | null {
  const { path, stat, depth, bytes } = found;
  if (isRemainder(path.slice(path.lastIndexOf("/") + 1))) {
    return "an interrupted write left it behind";
  }
  const reason = skip(path, stat.isDirectory());
  if (reason !== null || stat.isSymbolicLink()) return reason;
  if (stat.isDirectory()) return depth < maxDepth ? null : `more than ${maxDepth} folders deep`;
  if (!stat.isFile()) return "it is neither a file nor a folder";
  if (stat.size > maxFileBytes) return `it is larger than ${maxFileBytes} bytes`;
  return bytes + stat.size > maxBytes ? `with it there would be more than ${maxBytes} bytes` : null;
}

/** A tree knows two kinds of files, as git does. */
export function fileMode(stat: Stats): "file" | "exec" {
  return (stat.mode & 0o100) === 0 ? "file" : "exec";
}

export function sameLeaf(left: Leaf, right: Leaf): boolean {
  if (left.mode === "link" || right.mode === "link") {
    return left.mode === "link" && right.mode === "link" && left.target === right.target;
  }
  return left.mode === right.mode && left.digest === right.digest;
}

function leadsOut(path: string, target: string): boolean {
  if (posix.isAbsolute(target) || target.includes("\\")) return true;
  const end = posix.join(posix.dirname(path), target);
  return end === ".." || end.startsWith("../");
}

function tooMany(): CairnError {
  return new CairnError(
    "snapshot.unsafe",
    `The folder holds more than ${maxEntries} files or ${maxFolders} folders, too many to store. Remove generated ones, or exclude them, and try again.`,
  );
}
