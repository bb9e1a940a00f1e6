import { rmdirSync, unlinkSync } from "node:fs";
import { CairnError } from "../core/errors.ts";
import { errorCode } from "./errorCode.ts";
import { HeldDirectory } from "./heldDirectory.ts";
import { fileMode } from "./readTree.ts";
import { writeFile } from "./safeWrite.ts";
import { sha256 } from "./sha256.ts";
import type { TreeChange } from "./treeChange.ts";
import { isFile, type FileEntry } from "./treeObject.ts";

/** What lies at a path of the user's folder. `blocked`: its folder is a link or a file; `shared`: the file has a second name. */
type Present =
  | { readonly kind: "absent" | "blocked" | "other" | "shared" }
  | {
      readonly kind: "file";
      readonly mode: FileEntry["mode"];
      readonly digest: string | null;
    };

const maxNameBytes = 255;
const maxPathBytes = 4000;

export type Verdict =
  | { readonly kind: "apply" | "done" }
  /** `lies` is what the user put there: a file, or nothing; null for all that nobody may replace. */
  | {
      readonly kind: "conflict";
      readonly reason: string;
      readonly lies: "file" | "absent" | null;
    };

export interface Content {
  readonly bytes: Uint8Array;
  readonly exec: boolean;
}

/** A plain file of the user's folder, as it was read. */
export interface UserFile {
  readonly entry: FileEntry;
  readonly bytes: Uint8Array;
}

/**
 * The user's own folder. Files in it are read one by one without following a link, and changed
 * only where they still are what the session started from.
 */
export class UserFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Three-way: the session's start, its end, and what is there now. `free` says that a file whose
   * deletion comes first makes room here, so that what is there now does not count.
   */
  async judge(change: TreeChange, free: boolean): Promise<Verdict> {
    if (!isUsable(change.path)) return conflict(reasons.unusable);
    const present: Present = free ? { kind: "absent" } : await this.#present(change);
    return verdictOf(present, change);
  }

  /**
   * Makes one change of files, if nothing stands against it: looked at and written in one folder
   * that is held meanwhile. Resolves when it is on disk. `content` is that of `after`, null to
   * delete the file and the folders that it leaves empty.
   */
  async bring(change: TreeChange, content: Content | null): Promise<Verdict> {
    const { path, before } = change;
    const isNew = before === null && content !== null;
    const verdict = await this.#visit(path, isNew, (directory, name) => {
      const found = verdictOf(presentIn(directory, name, change), change);
      if (found.kind === "apply") put(directory, name, content);
      return found;
    });
    if (typeof verdict === "string") {
      return verdict === "absent" && content === null
        ? { kind: "done" }
        : conflict(reasons[verdict]);
    }
    if (verdict.kind === "apply" && content === null) await this.#removeEmpty(path);
    return verdict;
  }

  /** The plain file at a path, with one name only and no larger than that; null when there is none. */
  async read(path: string, maxBytes: number): Promise<UserFile | null> {
    const found = await this.#visit(path, false, (directory, name): UserFile | null => {
      const stat = directory.stat(name);
      if (stat?.isFile() !== true || stat.nlink > 1 || stat.size > maxBytes) return null;
      const bytes = directory.read(name, stat);
      const entry = { name, mode: fileMode(stat), digest: sha256(bytes), size: bytes.length };
      return { entry, bytes };
    });
    return typeof found === "string" ? null : found;
  }

  async #removeEmpty(path: string): Promise<void> {
    for (const parent of ancestors(path).toReversed()) {
      if (!(await this.#removedEmpty(parent))) return;
    }
  }

  async #removedEmpty(path: string): Promise<boolean> {
    try {
      await this.#inside(path, false, async (directory, name) => rmdirSync(directory.at(name)));
      return true;
    } catch (error) {
      if (["ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) return false;
      throw error;
    }
  }

  async #present(change: TreeChange): Promise<Present> {
    const found = await this.#visit(change.path, false, (directory, name) =>
      presentIn(directory, name, change),
    );
    return typeof found === "string" ? { kind: found } : found;
  }

  /** As `#inside`, but a folder that is not there, or that is none, is an answer. */
  async #visit<T>(
    path: string,
    make: boolean,
    work: (directory: HeldDirectory, name: string) => T,
  ): Promise<T | "absent" | "blocked"> {
    try {
      return await this.#inside(path, make, async (directory, name) => work(directory, name));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return "absent";
      if (CairnError.is(error, "snapshot.unsafe")) return "blocked";
      throw error;
    }
  }

  async #inside<T>(
    path: string,
    make: boolean,
    work: (directory: HeldDirectory, name: string) => Promise<T>,
  ): Promise<T> {
    const segments = path.split("/");
    const name = segments.pop() ?? "";
    const step = async (directory: HeldDirectory, depth: number): Promise<T> => {
      const segment = segments[depth];
      if (segment === undefined) return work(directory, name);
      if (make) directory.make(segment);
      return directory.enter(segment, async (child) => step(child, depth + 1));
    };
    const root = new HeldDirectory(this.#path);
    try {
      return await step(root, 0);
    } finally {
      root.close();
    }
  }
}

const reasons = {
  link: "Links are not applied; make the link yourself if you want it.",
  file: "You changed this file since the session started; it is left as it is.",
  absent: "You deleted this file since the session started; it is not made again.",
  other: "There is a folder or a link of this name in your folder; it is left as it is.",
  shared:
    "The file has a second name in your folder, and writing it would part the two; it is left as it is.",
  unusable: "No file can have this path on every system; rename it in the session if you want it.",
  blocked: "It lies below a link or a file of your folder, where nothing is written.",
};

/** `a/b/c` lies in `a` and in `a/b`. */
export function ancestors(path: string): readonly string[] {
  const segments = path.split("/");
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
}

/** Names and paths that are longer than file systems take. */
function isUsable(path: string): boolean {
  const long = path.split("/").some((name) => Buffer.byteLength(name) > maxNameBytes);
  return !long && Buffer.byteLength(path) <= maxPathBytes;
}

function conflict(reason: string): Verdict {
  return { kind: "conflict", reason, lies: null };
}

function verdictOf(present: Present, { before, after }: TreeChange): Verdict {
  if (before?.mode === "link" || after?.mode === "link") return conflict(reasons.link);
  if (matches(present, after)) return { kind: "done" };
  if (matches(present, before)) return { kind: "apply" };
  const lies = present.kind === "file" || present.kind === "absent" ? present.kind : null;
  return { kind: "conflict", reason: reasons[present.kind], lies };
}

/** What has the name in this very folder. */
function presentIn(directory: HeldDirectory, name: string, change: TreeChange): Present {
  const stat = directory.stat(name);
  if (stat === null) return { kind: "absent" };
  if (!stat.isFile()) return { kind: "other" };
  if (stat.nlink > 1) return { kind: "shared" };
  // A file of another size is another file: no need to read what may be huge.
  const mayMatch = [change.before, change.after].some(
    (entry) => entry !== null && isFile(entry) && entry.size === stat.size,
  );
  const digest = mayMatch ? sha256(directory.read(name, stat)) : null;
  return { kind: "file", mode: fileMode(stat), digest };
}

/** Gives the name new content, in one step, or takes it away. */
function put(directory: HeldDirectory, name: string, content: Content | null): void {
  if (content === null) {
    unlinkSync(directory.at(name));
    directory.flush();
    return;
  }
  const stat = directory.stat(name);
  const kept = stat === null ? 0o666 & ~process.umask() : stat.mode & 0o666;
  // Whoever may read a program may run it, as `chmod +x` has it.
  const mode = content.exec ? kept | ((kept & 0o444) >> 2) : kept;
  writeFile(directory, name, content.bytes, { mode, owner: null, flush: true });
}

function matches(present: Present, entry: FileEntry | null): boolean {
  if (entry === null || present.kind !== "file") return entry === null && present.kind === "absent";
  return isStill(present, entry);
}

/** Whether what was read is that file: its bytes, and whether it may be run. */
export function isStill(
  { mode, digest }: { readonly mode: FileEntry["mode"]; readonly digest: string | null },
  entry: FileEntry,
): boolean {
  // Windows has no such bit, so nothing can be read from it there.
  return digest === entry.digest && (process.platform === "win32" || mode === entry.mode);
}
