import type { FileChange } from "../core/records.ts";
import {
  isFile,
  type DirectoryEntry,
  type FileEntry,
  type LinkEntry,
  type TreeEntry,
} from "./manifest.ts";
import { isBinary, unifiedDiff } from "./unifiedDiff.ts";

type Leaf = FileEntry | LinkEntry;

/** One path that two trees differ in; null where a tree has no such file or link. */
export interface TreeChange {
  readonly path: string;
  readonly before: Leaf | null;
  readonly after: Leaf | null;
}

/** Sorted by path. Empty directories are no change of their own. */
export function changesBetween(
  from: readonly TreeEntry[],
  to: readonly TreeEntry[],
): readonly TreeChange[] {
  const before = leaves(from);
  const after = leaves(to);
  return [...new Set([...before.keys(), ...after.keys()])]
    .toSorted((left, right) => (left < right ? -1 : 1))
    .map((path) => ({ path, before: before.get(path) ?? null, after: after.get(path) ?? null }))
    .filter((change) => !same(change.before, change.after));
}

/** Shows a change to people. A link's content is its target, as in git. */
export async function showChange(
  change: TreeChange,
  conflict: string | null,
  bytesOf: (entry: FileEntry) => Promise<Uint8Array>,
): Promise<FileChange> {
  const { path, before, after } = change;
  const [old, now] = await Promise.all([contents(before, bytesOf), contents(after, bytesOf)]);
  const binary = [old, now].some((bytes) => bytes !== null && isBinary(bytes));
  const diff = binary ? null : modeLines(change) + unifiedDiff(path, text(old), text(now));
  return { path, change: kindOf(change), diff, binary, conflict };
}

function kindOf({ before, after }: TreeChange): FileChange["change"] {
  if (before === null) return "added";
  return after === null ? "deleted" : "modified";
}

const modes = { file: "100644", exec: "100755", link: "120000" };

function modeLines({ before, after }: TreeChange): string {
  if (before === null || after === null || before.mode === after.mode) return "";
  return `old mode ${modes[before.mode]}\nnew mode ${modes[after.mode]}\n`;
}

async function contents(
  entry: Leaf | null,
  bytesOf: (entry: FileEntry) => Promise<Uint8Array>,
): Promise<Uint8Array | null> {
  if (entry === null) return null;
  return isFile(entry) ? bytesOf(entry) : Buffer.from(entry.target);
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

function leaves(entries: readonly TreeEntry[]): ReadonlyMap<string, Leaf> {
  const kept = entries.filter(
    (entry): entry is Exclude<TreeEntry, DirectoryEntry> => entry.mode !== "directory",
  );
  return new Map(kept.map((entry) => [entry.path, entry]));
}

function same(left: Leaf | null, right: Leaf | null): boolean {
  if (left === null || right === null) return left === right;
  if (left.mode === "link" || right.mode === "link") {
    return left.mode === "link" && right.mode === "link" && left.target === right.target;
  }
  return left.mode === right.mode && left.digest === right.digest;
}
