import { bytesInWords } from "../core/bytesInWords.ts";
import { CairnError } from "../core/errors.ts";
import type { Contested, FileChange, FileState } from "../core/waitSubject.ts";
import type { Blobs } from "./blobs.ts";
import { foldersWith } from "./manifest.ts";
import type { SecretsHere } from "./readTree.ts";
import type { TreeChange } from "./treeChange.ts";
import { encodeFolder, isFile, type FileEntry, type Leaf } from "./treeObject.ts";
import { isStill, type UserFile, type UserFolder } from "./userFolder.ts";

/** What of the user's folder the session's store may hold. */
export interface KeepRules {
  /** Why a path is not taken, null when it is. */
  readonly skip: (path: string) => string | null;
  readonly maxFileBytes: number;
  readonly secrets: SecretsHere;
}

/**
 * Files that the user changed since they were written. They may be replaced only where the store
 * can keep them: what it may not hold stays in the folder.
 */
export class ContestedFiles {
  readonly #blobs: Blobs;
  readonly #rules: KeepRules;

  constructor(blobs: Blobs, rules: KeepRules) {
    this.#blobs = blobs;
    this.#rules = rules;
  }

  /** The file at a path, or why nothing may replace it. */
  async look(folder: UserFolder, path: string): Promise<UserFile | { readonly reason: string }> {
    const { skip, maxFileBytes, secrets } = this.#rules;
    const why = skip(path);
    if (why !== null) return notKept(why);
    const file = await folder.read(path, maxFileBytes);
    if (file === null)
      return notKept(`it is no plain file of at most ${bytesInWords(maxFileBytes)}`);
    return secrets.areIn(file.bytes) ? notKept("it holds a secret that Cairn knows") : file;
  }

  /** Resolves with the tree of those that are there, when all of it is on disk. Throws `apply.conflict`. */
  async keep(folder: UserFolder, changes: readonly FileChange[]): Promise<string> {
    const entries: { readonly path: string; readonly entry: FileEntry }[] = [];
    for (const { path, contested } of changes) {
      const wanted = entryOf(path, contested?.yours ?? null);
      if (wanted === null) continue;
      const file = await this.look(folder, path);
      if ("entry" in file && isStill(file.entry, wanted)) await this.#blobs.putBlobs([file.bytes]);
      else if (!(await this.#isKept(wanted))) throw outdated(path);
      entries.push({ path, entry: wanted });
    }
    const { root, folders } = foldersWith(entries);
    await this.#blobs.putBlobs([...folders.values()].map(encodeFolder));
    return root;
  }

  /** Whether a change that was overruled is the one that was approved, and loses nothing of the user. */
  async mayReplace({ before, after }: TreeChange, { theirs }: Contested): Promise<boolean> {
    const now = stateOf(after);
    if (now?.digest !== theirs?.digest || now?.exec !== theirs?.exec) return false;
    return before === null || (isFile(before) && (await this.#isKept(before)));
  }

  async #isKept({ digest }: FileEntry): Promise<boolean> {
    return (await this.#blobs.getBlob(digest)) !== null;
  }
}

/** The change that an approval lets through: from what the user had then, whatever was written before. */
export function overruled(change: TreeChange, { yours }: Contested): TreeChange {
  return { ...change, before: entryOf(change.path, yours) };
}

export function contestedOf({ before, after }: TreeChange, yours: FileEntry | null): Contested {
  return { written: stateOf(before), yours: stateOf(yours), theirs: stateOf(after) };
}

export function outdated(path: string): CairnError {
  return new CairnError(
    "apply.conflict",
    `${path} in your folder is not what it was when the changes were approved; it is left as it is. Review the changes again.`,
  );
}

function notKept(why: string): { readonly reason: string } {
  return { reason: `Cairn does not ask to replace it, for it cannot keep a copy: ${why}.` };
}

function entryOf(path: string, state: FileState | null): FileEntry | null {
  if (state === null) return null;
  const { digest, bytes: size, exec } = state;
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    mode: exec ? "exec" : "file",
    digest,
    size,
  };
}

function stateOf(entry: Leaf | null): FileState | null {
  if (entry === null || !isFile(entry)) return null;
  return { digest: entry.digest, bytes: entry.size, exec: entry.mode === "exec" };
}
