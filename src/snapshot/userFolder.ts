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
  | { readonly kind: "file"; readonly exec: boolean; readonly digest: string | null };

const maxNameBytes = 255;
const maxPathBytes = 4000;

export type Verdict =
  | { readonly kind: "apply" | "done" }
  | { readonly kind: "conflict"; readonly reason: string };

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
    const { path, before, after } = change;
    if (!isUsable(path)) return conflict(reasons.unusable);
    if (before?.mode === "link" || after?.mode === "link") {
      return conflict("Links are not applied; make the link yourself if you want it.");
    }
    const present: Present = free ? { kind: "absent" } : await this.#present(change);
    if (matches(present, after)) return { kind: "done" };
    if (matches(present, before)) return { kind: "apply" };
    return conflict(reasons[present.kind]);
  }

  /** Replaces or makes one file, with the folders that lead to it. Resolves when it is on disk. */
  async write(path: string, bytes: Uint8Array, exec: boolean): Promise<void> {
    await this.#inside(path, true, async (directory, name) => {
      const stat = directory.stat(name);
      const kept = stat === null ? 0o666 & ~process.umask() : stat.mode & 0o666;
      // Whoever may read a program may run it, as `chmod +x` has it.
      const mode = exec ? kept | ((kept & 0o444) >> 2) : kept;
      writeFile(directory, name, bytes, { mode, owner: null, flush: true });
    });
  }

  /** Deletes one file, and the folders that it leaves empty. */
  async remove(path: string): Promise<void> {
    await this.#inside(path, false, async (directory, name) => {
      unlinkSync(directory.at(name));
      directory.flush();
    });
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

  async #present({ path, before, after }: TreeChange): Promise<Present> {
    const sizes = new Set(
      [before, after].map((entry) => (entry && isFile(entry) ? entry.size : null)),
    );
    try {
      return await this.#inside(path, false, async (directory, name) => {
        const stat = directory.stat(name);
        if (stat === null) return { kind: "absent" };
        if (!stat.isFile()) return { kind: "other" };
        if (stat.nlink > 1) return { kind: "shared" };
        // A file of another size is another file: no need to read what may be huge.
        const digest = sizes.has(stat.size) ? sha256(directory.read(name, stat)) : null;
        return { kind: "file", exec: fileMode(stat) === "exec", digest };
      });
    } catch (error) {
      if (errorCode(error) === "ENOENT") return { kind: "absent" };
      if (CairnError.is(error, "snapshot.unsafe")) return { kind: "blocked" };
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
  return { kind: "conflict", reason };
}

function matches(present: Present, entry: FileEntry | null): boolean {
  if (entry === null) return present.kind === "absent";
  if (present.kind !== "file" || present.digest !== entry.digest) return false;
  // Windows has no such bit, so nothing can be read from it there.
  return process.platform === "win32" || present.exec === (entry.mode === "exec");
}
