import { mkdirSync, realpathSync } from "node:fs";
import { CairnError } from "../core/errors.ts";
import type { WorkspaceTrees } from "../core/ports.ts";
import type { FileChange, TreeInfo } from "../core/records.ts";
import type { Blobs } from "./blobs.ts";
import { errorCode } from "./errorCode.ts";
import { isKeptBack } from "./guardedPath.ts";
import { HeldDirectory, type Owner } from "./heldDirectory.ts";
import {
  ancestors,
  decodeManifest,
  encodeManifest,
  isFile,
  type FileEntry,
  type TreeEntry,
} from "./manifest.ts";
import { readTree, type ReadRules } from "./readTree.ts";
import { restoreTree } from "./restoreTree.ts";
import { StatIndex } from "./statIndex.ts";
import { changesBetween, showChange, type TreeChange } from "./treeChange.ts";
import { UserFolder } from "./userFolder.ts";

export interface SnapshotOptions {
  /** The user's folder. */
  readonly workspace: string;
  /** The session's own directory. */
  readonly tree: string;
  readonly blobs: Blobs;
  /** Who owns what is made in the tree, where that is not the user who runs us. */
  readonly owner: Owner | null;
  readonly maxFileBytes?: number;
}

const leftOutOfSeed = new Map([
  [".cairn", "Cairn keeps its records there"],
  [".git", "the session gets no history, and git runs hooks"],
  ["node_modules", "installed packages; the session can install its own"],
]);

interface Judged extends TreeChange {
  readonly conflict: string | null;
}

/** Workspace trees as manifests and files in the blob store, each under the digest of its bytes. */
export class SnapshotTrees implements WorkspaceTrees {
  readonly #tree: string;
  readonly #workspace: string;
  readonly #blobs: Blobs;
  readonly #owner: Owner | null;
  readonly #rules: ReadRules;
  #index = new StatIndex();
  #leftOut: TreeInfo["leftOut"] = [];

  constructor(options: SnapshotOptions) {
    this.#tree = options.tree;
    this.#workspace = options.workspace;
    this.#blobs = options.blobs;
    this.#owner = options.owner;
    const maxFileBytes = options.maxFileBytes ?? 20 * 1024 * 1024;
    this.#rules = { maxFileBytes, skip: new Map(), outwardLinks: true };
  }

  /** What the last `capture` could not store, each with its reason. */
  get leftOut(): TreeInfo["leftOut"] {
    return this.#leftOut;
  }

  /** Stores the user's folder and restores it into the tree: what is there is what was stored. */
  async seed(): Promise<TreeInfo> {
    const rules = { ...this.#rules, skip: leftOutOfSeed, outwardLinks: false };
    const { entries, leftOut } = await within(realpathSync(this.#workspace), async (root) =>
      readTree(root, this.#blobs, rules, new StatIndex()),
    );
    const tree = await this.#store(entries);
    await this.#restore(entries);
    const files = entries.filter(isFile);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    return { tree, files: files.length, bytes, leftOut };
  }

  async capture(): Promise<string> {
    const { entries, index, leftOut } = await within(this.#tree, async (root) =>
      readTree(root, this.#blobs, this.#rules, this.#index),
    );
    this.#index = index;
    this.#leftOut = leftOut;
    return this.#store(entries);
  }

  async restore(tree: string): Promise<void> {
    await this.#restore(await this.#entries(tree));
  }

  async diff(from: string, to: string): Promise<readonly FileChange[]> {
    const shown: FileChange[] = [];
    for (const change of await this.#changes(from, to)) {
      shown.push(await showChange(change, null, async (entry) => this.#bytes(entry)));
    }
    return shown;
  }

  async plan(base: string, tree: string): Promise<readonly FileChange[]> {
    return this.#show(await this.#judge(base, tree));
  }

  async apply(base: string, tree: string, changes: readonly FileChange[]): Promise<void> {
    const judged = await this.#judge(base, tree);
    await this.#refuseUnlessApproved(base, tree, judged, changes);
    const allowed = judged.filter(({ conflict }) => conflict === null);
    const folder = new UserFolder(realpathSync(this.#workspace));
    // Deletions come first: a file may make room for a folder of the same name.
    for (const change of allowed.filter(({ after }) => after === null)) {
      await this.#applyOne(folder, change);
    }
    for (const change of allowed.filter(({ after }) => after !== null)) {
      await this.#applyOne(folder, change);
    }
  }

  async list(tree: string): Promise<readonly string[]> {
    return (await this.#entries(tree)).filter(isFile).map(({ path }) => path);
  }

  async file(tree: string, path: string): Promise<Uint8Array | null> {
    const entry = (await this.#entries(tree)).filter(isFile).find((file) => file.path === path);
    return entry === undefined ? null : this.#bytes(entry);
  }

  async #restore(entries: readonly TreeEntry[]): Promise<void> {
    const made = mkdirSync(this.#tree, { recursive: true, mode: 0o755 });
    await within(this.#tree, async (root) => {
      if (made !== undefined && this.#owner !== null) root.own(this.#owner);
      await restoreTree(root, entries, {
        owner: this.#owner,
        known: this.#index,
        bytes: async (entry) => this.#bytes(entry),
      });
    });
  }

  async #store(entries: readonly TreeEntry[]): Promise<string> {
    const [digest] = await this.#blobs.putBlobs([encodeManifest(entries)]);
    if (digest === undefined) throw new Error("putBlobs gave back no digest for the manifest");
    return digest;
  }

  async #entries(tree: string): Promise<readonly TreeEntry[]> {
    const manifest = await this.#blobs.getBlob(tree);
    if (manifest === null) throw missing(`The workspace tree ${tree.slice(0, 12)}`);
    return decodeManifest(manifest);
  }

  async #bytes(entry: FileEntry): Promise<Uint8Array> {
    const bytes = await this.#blobs.getBlob(entry.digest);
    if (bytes === null) throw missing(`The stored content of ${entry.path}`);
    return bytes;
  }

  async #changes(from: string, to: string): Promise<readonly TreeChange[]> {
    return changesBetween(await this.#entries(from), await this.#entries(to));
  }

  /** Every change that the user's folder does not hold yet, with what stands against it. */
  async #judge(base: string, tree: string): Promise<readonly Judged[]> {
    const folder = new UserFolder(realpathSync(this.#workspace));
    const vacated = new Set<string>();
    const judged: Judged[] = [];
    for (const change of await this.#changes(base, tree)) {
      if (isKeptBack(change.path)) continue;
      const free = ancestors(change.path).some((path) => vacated.has(path));
      const verdict = await folder.judge(change, free);
      if (verdict.kind === "apply" && change.after === null) vacated.add(change.path);
      if (verdict.kind === "done") continue;
      judged.push({ ...change, conflict: verdict.kind === "conflict" ? verdict.reason : null });
    }
    return judged;
  }

  async #show(judged: readonly Judged[]): Promise<readonly FileChange[]> {
    const shown: FileChange[] = [];
    for (const change of judged) {
      shown.push(await showChange(change, change.conflict, async (entry) => this.#bytes(entry)));
    }
    return shown;
  }

  /**
   * Approved changes that the plan does not name any more are done already, which is how a repeat
   * after a crash looks; everything that is still to do must be what was approved, to the letter.
   */
  async #refuseUnlessApproved(
    base: string,
    tree: string,
    judged: readonly Judged[],
    approved: readonly FileChange[],
  ): Promise<void> {
    const byPath = new Map(approved.map((change) => [change.path, change]));
    const possible = new Set((await this.#changes(base, tree)).map(({ path }) => path));
    const foreign = approved.find(({ path }) => !possible.has(path))?.path;
    if (foreign !== undefined) throw outdated(foreign);
    for (const change of await this.#show(judged)) {
      if (!sameChange(change, byPath.get(change.path))) throw outdated(change.path);
    }
  }

  async #applyOne(folder: UserFolder, change: TreeChange): Promise<void> {
    const { path, after } = change;
    const verdict = await folder.judge(change, false);
    if (verdict.kind === "done") return;
    if (verdict.kind === "conflict") throw outdated(path);
    try {
      if (after === null) await folder.remove(path);
      else if (isFile(after)) {
        await folder.write(path, await this.#bytes(after), after.mode === "exec");
      }
    } catch (error) {
      if (!["EROFS", "EACCES", "EPERM"].includes(errorCode(error) ?? "")) throw error;
      throw new CairnError(
        "apply.readOnly",
        `${path} cannot be written: it or its folder is read-only. Make it writable and apply again; what is applied already stays.`,
        { cause: error, retryable: true },
      );
    }
  }
}

async function within<T>(path: string, work: (root: HeldDirectory) => Promise<T>): Promise<T> {
  const root = new HeldDirectory(path);
  try {
    return await work(root);
  } finally {
    root.close();
  }
}

function sameChange(left: FileChange, right: FileChange | undefined): boolean {
  return (
    left.path === right?.path &&
    left.change === right.change &&
    left.diff === right.diff &&
    left.binary === right.binary &&
    left.conflict === right.conflict
  );
}

function missing(what: string): CairnError {
  return new CairnError(
    "snapshot.missing",
    `${what} is not in the store. Choose another checkpoint.`,
  );
}

function outdated(path: string): CairnError {
  return new CairnError(
    "apply.conflict",
    `${path} in your folder is not what it was when the changes were approved; it is left as it is. Review the changes again.`,
  );
}
