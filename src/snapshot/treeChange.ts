import type { FileChange } from "../core/waitSubject.ts";
import { sameLeaf } from "./readTree.ts";
import { Visits, type StoredTrees } from "./storedTrees.ts";
import { isFile, type Entry, type Leaf } from "./treeObject.ts";
import { isBinary, unifiedDiff } from "./unifiedDiff.ts";

/** One path that two trees differ in; null where a tree has no such file or link. */
export interface TreeChange {
  readonly path: string;
  readonly before: Leaf | null;
  readonly after: Leaf | null;
}

/** Sorted by path. Empty folders are no change of their own; folders that are the same are not read. */
export async function changesBetween(
  stored: StoredTrees,
  from: string,
  to: string,
): Promise<readonly TreeChange[]> {
  const found: TreeChange[] = [];
  await compare(stored, { from, to, prefix: "", depth: 0, visits: new Visits() }, found);
  return found.toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

interface Pair {
  readonly from: string | null;
  readonly to: string | null;
  readonly prefix: string;
  readonly depth: number;
  readonly visits: Visits;
}

async function compare(
  stored: StoredTrees,
  { from, to, prefix, depth, visits }: Pair,
  found: TreeChange[],
): Promise<void> {
  if (from === to) return;
  visits.count(depth);
  const [before, after] = [await entriesOf(stored, from), await entriesOf(stored, to)];
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(name) ?? null, after.get(name) ?? null];
    const path = `${prefix}${name}`;
    const change = { path, before: leafOf(old), after: leafOf(now) };
    if (!isSame(change)) found.push(change);
    const inner = { from: folderOf(old), to: folderOf(now), prefix: `${path}/`, depth: depth + 1 };
    await compare(stored, { ...inner, visits }, found);
  }
}

function isSame({ before, after }: TreeChange): boolean {
  if (before === null || after === null) return before === after;
  return sameLeaf(before, after);
}

async function entriesOf(
  stored: StoredTrees,
  folder: string | null,
): Promise<ReadonlyMap<string, Entry>> {
  const entries = folder === null ? [] : await stored.folder(folder);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

function leafOf(entry: Entry | null): Leaf | null {
  return entry === null || entry.mode === "folder" ? null : entry;
}

function folderOf(entry: Entry | null): string | null {
  return entry?.mode === "folder" ? entry.digest : null;
}

/** Shows a change to people, without secrets. A link's content is its target, as in git. */
export async function showChange(
  change: TreeChange,
  stored: StoredTrees,
  plain: (text: string) => string,
): Promise<FileChange> {
  const { before, after } = change;
  const [old, now] = await Promise.all([contents(before, stored), contents(after, stored)]);
  return shownAs(change, { old, now }, plain);
}

/** The same of bytes that are at hand; null where there is no file. */
export function shownAs(
  change: TreeChange,
  { old, now }: { readonly old: Uint8Array | null; readonly now: Uint8Array | null },
  plain: (text: string) => string,
): FileChange {
  const { path } = change;
  const binary = [old, now].some((bytes) => bytes !== null && isBinary(bytes));
  const diff = binary ? null : modeLines(change) + plain(unifiedDiff(path, text(old), text(now)));
  return { path, change: kindOf(change), diff, binary, conflict: null };
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

async function contents(entry: Leaf | null, stored: StoredTrees): Promise<Uint8Array | null> {
  if (entry === null) return null;
  return isFile(entry) ? stored.bytes(entry) : Buffer.from(entry.target);
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
