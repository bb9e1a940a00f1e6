import { CairnError } from "../core/errors.ts";

export interface FileEntry {
  readonly name: string;
  readonly mode: "file" | "exec";
  readonly digest: string;
  readonly size: number;
}

export interface LinkEntry {
  readonly name: string;
  readonly mode: "link";
  readonly target: string;
}

/** `digest` names the folder's own object. */
export interface FolderEntry {
  readonly name: string;
  readonly mode: "folder";
  readonly digest: string;
}

export type Leaf = FileEntry | LinkEntry;
export type Entry = Leaf | FolderEntry;

export function isFile(entry: Entry): entry is FileEntry {
  return entry.mode === "file" || entry.mode === "exec";
}

/** A folder has one text, whatever order it was read in. The digest of the top one names the tree. */
export function encodeFolder(entries: readonly Entry[]): Uint8Array {
  const sorted = entries.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return Buffer.from(JSON.stringify({ format: 2, entries: sorted.map(canonical) }));
}

/** Entries in order. Throws `snapshot.unsafe` for anything that `encodeFolder` would not have written. */
export function decodeFolder(bytes: Uint8Array): readonly Entry[] {
  const entries = parsedEntries(bytes, 2).map(entryOf);
  let last = "";
  for (const { name } of entries) {
    if (name <= last) throw unusable(`${JSON.stringify(name)} is out of order`);
    last = name;
  }
  return entries;
}

/** The entries of a stored text of that format, not looked at yet. Throws `snapshot.unsafe`. */
export function parsedEntries(bytes: Uint8Array, format: number): readonly unknown[] {
  let stored: unknown;
  try {
    stored = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unusable("it is not JSON", error);
  }
  if (!has(stored, "format") || stored.format !== format) throw unusable("its format is not known");
  if (has(stored, "entries") && Array.isArray(stored.entries)) return stored.entries;
  throw unusable("it has no entries");
}

function canonical(entry: Entry): Entry {
  const { name, mode } = entry;
  if (mode === "link") return { name, mode, target: entry.target };
  if (mode === "folder") return { name, mode, digest: entry.digest };
  return { name, mode, digest: entry.digest, size: entry.size };
}

function entryOf(raw: unknown): Entry {
  if (!has(raw, "name") || typeof raw.name !== "string" || !isName(raw.name)) {
    throw unusable("an entry has no name that a file can have");
  }
  const { name } = raw;
  if (has(raw, "mode") && raw.mode === "folder" && has(raw, "digest")) {
    if (typeof raw.digest === "string") return { name, mode: "folder", digest: raw.digest };
  }
  return leafOf(name, raw);
}

/** A file or a link as it was stored, under the name that it is to have. Throws `snapshot.unsafe`. */
export function leafOf(name: string, raw: unknown): Leaf {
  const mode = has(raw, "mode") ? raw.mode : null;
  if (mode === "link" && has(raw, "target") && typeof raw.target === "string") {
    return { name, mode, target: raw.target };
  }
  if ((mode === "file" || mode === "exec") && has(raw, "digest") && has(raw, "size")) {
    const { digest, size } = raw;
    if (typeof digest === "string" && typeof size === "number") return { name, mode, digest, size };
  }
  throw unusable(`${JSON.stringify(name)} is neither file, link nor folder`);
}

/** Whether a name names something in its folder, and nothing else. */
export function isName(name: string): boolean {
  return !["", ".", ".."].includes(name) && !/[/\0]/.test(name);
}

export function has<Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> {
  return typeof value === "object" && value !== null && key in value;
}

export function unusable(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "snapshot.unsafe",
    `A stored workspace tree cannot be used: ${what}. Choose another checkpoint.`,
    { cause },
  );
}
