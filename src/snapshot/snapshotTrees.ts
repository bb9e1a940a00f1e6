import { mkdirSync, realpathSync } from "node:fs";
import type { Captured, Survey, WorkspaceTrees } from "../core/ports.ts";
import type { TreeInfo } from "../core/records.ts";
import type { FileChange } from "../core/waitSubject.ts";
import type { FolderRules } from "../core/ruleNews.ts";
import type { Blobs } from "./blobs.ts";
import { excludes, ignoreLines } from "./excludes.ts";
import { HeldDirectory, type Owner } from "./heldDirectory.ts";
import { keepAll, TreeReader, type ReadRules, type SecretsHere } from "./readTree.ts";
import { Reach } from "./reach.ts";
import { restoreTree } from "./restoreTree.ts";
import { removeEntry } from "./safeWrite.ts";
import type { Reading, SeenFolder } from "./seenTree.ts";
import { StoredTrees } from "./storedTrees.ts";
import { StoreQueue } from "./storeQueue.ts";
import { surveyFolder } from "./surveyFolder.ts";
import { TreeApply } from "./treeApply.ts";
import { TreeCopy } from "./treeCopy.ts";
import { changesBetween, showChange } from "./treeChange.ts";

export interface SnapshotOptions {
  /** The user's folder. */
  readonly workspace: string;
  /** The session's own directory. */
  readonly tree: string;
  readonly blobs: Blobs;
  /** Who owns what is made in the tree, where that is not the user who runs us. */
  readonly owner: Owner | null;
  /** What the copy of the user's folder leaves out, as lines of a `.gitignore`. */
  readonly exclude?: readonly string[];
  /** Files that may hold secrets and are copied all the same, as such lines, too. */
  readonly include?: readonly string[];
  /** Nothing is a secret when left out. */
  readonly secrets?: SecretsHere;
  /** What the text of a folder's file of rules would count as. */
  readonly rules: (text: string) => FolderRules;
  readonly maxFileBytes?: number;
  readonly maxBytes?: number;
}

/** Workspace trees as folders and files in the blob store, each under the digest of its bytes. */
export class SnapshotTrees implements WorkspaceTrees {
  readonly #options: SnapshotOptions;
  readonly #limits: Pick<ReadRules, "maxFileBytes" | "maxBytes" | "secrets">;
  readonly #stored: StoredTrees;
  readonly #apply: TreeApply;
  /** What lies in the tree, as far as it is known; all of it is stored. */
  #seen: SeenFolder | null = null;

  constructor(options: SnapshotOptions) {
    const { maxFileBytes = 20 * 1024 ** 2, maxBytes = 4 * 1024 ** 3 } = options;
    const { secrets = nothing } = options;
    this.#options = options;
    this.#limits = { maxFileBytes, maxBytes, secrets };
    this.#stored = new StoredTrees(options.blobs);
    const { workspace, rules, blobs, include = [] } = options;
    const notKept = excludes({ exclude: [], include });
    const kept = {
      skip: (path: string) => (notKept(path, false) === null ? null : "it may hold secrets"),
      maxFileBytes,
      secrets,
    };
    this.#apply = new TreeApply(this.#stored, { workspace, blobs, kept, rules });
  }

  async survey(): Promise<Survey> {
    return within(realpathSync(this.#options.workspace), async (folder) =>
      surveyFolder(Reach.of(folder), this.#seedRules(folder)),
    );
  }

  /** Reads the user's folder once, into the store and into the tree. */
  async seed(): Promise<TreeInfo> {
    const { workspace, tree, blobs, owner } = this.#options;
    const queue = new StoreQueue(blobs);
    const reading: Reading = { readAtMs: 0 };
    this.#seen = null;
    this.#make();
    return within(tree, async (root) => {
      const { names, broken } = root.list();
      for (const name of [...names, ...broken]) await removeEntry(root, root, name);
      return within(realpathSync(workspace), async (folder) => {
        const reader = new TreeReader(queue, this.#seedRules(folder), reading);
        const seen = await reader.tree(Reach.of(folder), null, new TreeCopy(root, owner));
        await queue.done();
        // Nothing runs in the tree yet: what was made stays as it is at least until now.
        reading.readAtMs = Date.now();
        this.#seen = seen;
        const { files, bytes, leftOut } = reader;
        return { tree: seen.digest, files, bytes, leftOut };
      });
    });
  }

  async capture(): Promise<Captured> {
    const queue = new StoreQueue(this.#options.blobs);
    const reader = new TreeReader(queue, keepAll(this.#limits), { readAtMs: Date.now() });
    const seen = await within(this.#options.tree, async (root) =>
      reader.tree(Reach.of(root), this.#seen),
    );
    await queue.done();
    this.#seen = seen;
    return { tree: seen.digest, leftOut: reader.leftOut };
  }

  async restore(tree: string): Promise<void> {
    const { owner } = this.#options;
    const known = this.#seen;
    const reading: Reading = { readAtMs: 0 };
    this.#seen = null;
    this.#make();
    this.#seen = await within(this.#options.tree, async (root) =>
      restoreTree(Reach.of(root), tree, { stored: this.#stored, owner, known, reading }),
    );
    // Nothing runs in the tree yet: what was made stays as it is at least until now.
    reading.readAtMs = Date.now();
  }

  async diff(from: string, to: string): Promise<readonly FileChange[]> {
    const shown: FileChange[] = [];
    for (const change of await changesBetween(this.#stored, from, to)) {
      shown.push(await showChange(change, this.#stored, this.#limits.secrets.text));
    }
    return shown;
  }

  async plan(
    base: string,
    tree: string,
    only: readonly string[] | null = null,
  ): Promise<readonly FileChange[]> {
    return this.#apply.plan({ base, tree, only });
  }

  async planBack(
    base: string,
    tree: string,
    only: readonly string[],
  ): Promise<readonly FileChange[]> {
    return this.#apply.planBack({ base, tree, only });
  }

  async keep(changes: readonly FileChange[]): Promise<string> {
    return this.#apply.keep(changes);
  }

  async apply(base: string, tree: string, changes: readonly FileChange[]): Promise<void> {
    await this.#apply.write(base, tree, changes);
  }

  async list(tree: string): Promise<readonly string[]> {
    return (await this.#stored.files(tree)).map(({ path }) => path);
  }

  async file(tree: string, path: string): Promise<Uint8Array | null> {
    const entry = await this.#stored.find(tree, path);
    return entry === null ? null : this.#stored.bytes(entry);
  }

  #seedRules(folder: HeldDirectory): ReadRules {
    const { exclude = [], include = [] } = this.#options;
    const skip = excludes({ exclude: [...ignoreLines(folder), ...exclude], include });
    return { ...this.#limits, skip, outwardLinks: false };
  }

  /** The tree's own directory, where there is none yet. */
  #make(): void {
    const { tree, owner } = this.#options;
    if (mkdirSync(tree, { recursive: true, mode: 0o755 }) === undefined || owner === null) return;
    const made = new HeldDirectory(tree);
    made.own(owner);
    made.close();
  }
}

const nothing: SecretsHere = { areIn: () => false, text: (text) => text };

async function within<T>(path: string, work: (root: HeldDirectory) => Promise<T>): Promise<T> {
  const root = new HeldDirectory(path);
  try {
    return await work(root);
  } finally {
    root.close();
  }
}
