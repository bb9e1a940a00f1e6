import { CairnError } from "../core/errors.ts";

export interface FileEntry {
  readonly path: string;
  readonly mode: "file" | "exec";
  readonly digest: string;
  readonly size: number;
}

export interface LinkEntry {
  readonly path: string;
  readonly mode: "link";
  readonly target: string;
}

/** Only of a directory with nothing in it; the others follow from the paths. */
export interface DirectoryEntry {
  readonly path: string;
  readonly mode: "directory";
}

export type TreeEntry = FileEntry | LinkEntry | DirectoryEntry;

export function isFile(entry: TreeEntry): entry is FileEntry {
  return entry.mode === "file" || entry.mode === "exec";
}

/** One tree has one text, whatever order it was read in: its digest names the tree. */
export function encodeManifest(entries: readonly TreeEntry[]): Uint8Array {
  const sorted = entries.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  return Buffer.from(JSON.stringify({ format: 1, entries: sorted.map(canonical) }));
}

/** Throws `snapshot.unsafe` for anything that `encodeManifest` would not have written. */
export function decodeManifest(bytes: Uint8Array): readonly TreeEntry[] {
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unsafe("it is not JSON", error);
  }
  if (!has(manifest, "format") || manifest.format !== 1) throw unsafe("its format is not known");
  if (!has(manifest, "entries") || !Array.isArray(manifest.entries)) {
    throw unsafe("it has no entries");
  }
  const entries = manifest.entries.map(entryOf);
  const leaves = new Set<string>();
  let last = "";
  for (const { path } of entries) {
    if (path <= last) throw unsafe(`${JSON.stringify(path)} is out of order`);
    if (ancestors(path).some((ancestor) => leaves.has(ancestor))) {
      throw unsafe(`${JSON.stringify(path)} lies in something that is no directory`);
    }
    leaves.add(path);
    last = path;
  }
  return entries;
}

/** `a/b/c` lies in `a` and in `a/b`. */
export function ancestors(path: string): readonly string[] {
  const segments = path.split("/");
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
}

function canonical(entry: TreeEntry): TreeEntry {
  const { path, mode } = entry;
  if (mode === "directory") return { path, mode };
  if (mode === "link") return { path, mode, target: entry.target };
  return { path, mode, digest: entry.digest, size: entry.size };
}

function entryOf(raw: unknown): TreeEntry {
  if (!has(raw, "path") || typeof raw.path !== "string" || !has(raw, "mode")) {
    throw unsafe("an entry has no path or no mode");
  }
  const { path } = raw;
  if (path.includes("\0") || path.split("/").some((part) => ["", ".", ".."].includes(part))) {
    throw unsafe(`${JSON.stringify(path)} is no path inside a tree`);
  }
  const entry = contentOf(path, raw.mode, raw);
  if (entry === null) throw unsafe(`${JSON.stringify(path)} is neither file, link nor directory`);
  return entry;
}

function contentOf(path: string, mode: unknown, raw: object): TreeEntry | null {
  if (mode === "directory") return { path, mode };
  if (mode === "link") {
    return has(raw, "target") && typeof raw.target === "string"
      ? { path, mode, target: raw.target }
      : null;
  }
  if ((mode !== "file" && mode !== "exec") || !has(raw, "digest") || !has(raw, "size")) return null;
  const { digest, size } = raw;
  return typeof digest === "string" && typeof size === "number"
    ? { path, mode, digest, size }
    : null;
}

function has<Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> {
  return typeof value === "object" && value !== null && key in value;
}

function unsafe(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "snapshot.unsafe",
    `A stored workspace tree cannot be used: ${what}. Choose another checkpoint.`,
    { cause },
  );
}
