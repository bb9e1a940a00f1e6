import { realpathSync } from "node:fs";
import { CairnError } from "../core/errors.ts";
import type { FileChange } from "../core/records.ts";
import { folderRules } from "../core/rule.ts";
import { ruleNews, type FolderRules } from "../core/ruleNews.ts";
import type { ToldRules } from "../core/toldRules.ts";
import { errorCode } from "./errorCode.ts";
import { guardOf, isKeptBack } from "./guardedPath.ts";
import type { StoredTrees } from "./storedTrees.ts";
import { changesBetween, showChange, type TreeChange } from "./treeChange.ts";
import { isFile, type Leaf } from "./treeObject.ts";
import { ancestors, UserFolder } from "./userFolder.ts";

/** From which tree to which, and at which paths; null is everywhere. */
export interface Scope {
  readonly base: string;
  readonly tree: string;
  readonly only: readonly string[] | null;
}

interface Judged extends TreeChange {
  readonly conflict: string | null;
}

export interface ApplyOptions {
  readonly workspace: string;
  /** Takes secrets out of what is shown. */
  readonly plain: (text: string) => string;
  /** What the text of a folder's file of rules would count as. */
  readonly rules: (text: string) => FolderRules;
}

/** Three-way, per file, from stored trees into the user's folder. */
export class TreeApply {
  readonly #stored: StoredTrees;
  readonly #options: ApplyOptions;

  constructor(stored: StoredTrees, options: ApplyOptions) {
    this.#stored = stored;
    this.#options = options;
  }

  /** Every change that the user's folder does not hold yet, with what stands against it. */
  async plan(scope: Scope): Promise<readonly FileChange[]> {
    const shown: FileChange[] = [];
    for (const change of await this.#judge(scope)) shown.push(await this.#shown(change));
    return shown;
  }

  /** Writes those of the approved changes that have no conflict and are not done yet. */
  async write(base: string, tree: string, approved: readonly FileChange[]): Promise<void> {
    const judged = await this.#judge({ base, tree, only: approved.map(({ path }) => path) });
    await this.#refuseUnlessApproved(base, tree, { judged, approved });
    const allowed = judged.filter(({ conflict }) => conflict === null);
    const folder = this.#folder();
    // Deletions come first: a file may make room for a folder of the same name.
    const deletions = allowed.filter(({ after }) => after === null);
    for (const change of [...deletions, ...allowed.filter(({ after }) => after !== null)]) {
      await this.#writeOne(folder, change);
    }
  }

  async #judge({ base, tree, only }: Scope): Promise<readonly Judged[]> {
    const folder = this.#folder();
    const wanted = only === null ? null : new Set(only);
    const vacated = new Set<string>();
    const judged: Judged[] = [];
    for (const change of await changesBetween(this.#stored, base, tree)) {
      const { path, after } = change;
      if (isKeptBack(path) || wanted?.has(path) === false) continue;
      const free = ancestors(path).some((parent) => vacated.has(parent));
      const verdict = await folder.judge(change, free);
      if (verdict.kind === "apply" && after === null) vacated.add(path);
      if (verdict.kind === "done") continue;
      judged.push({ ...change, conflict: verdict.kind === "conflict" ? verdict.reason : null });
    }
    return judged;
  }

  async #shown(change: Judged): Promise<FileChange> {
    const shown = await showChange(change, this.#stored, this.#options.plain);
    const { conflict, path } = change;
    const guard = conflict === null ? await guardOf(change, this.#stored) : null;
    if (guard === null) return { ...shown, conflict };
    if (path !== folderRules) return { ...shown, conflict, guard };
    return { ...shown, conflict, guard, rules: await this.#rules(change) };
  }

  async #rules({ before, after }: TreeChange): Promise<ToldRules> {
    const { plain } = this.#options;
    const news = ruleNews(await this.#read(before), await this.#read(after));
    return { ...news, says: news.says.map(plain) };
  }

  /** As it is read from the folder: what is no file has no rules. */
  async #read(leaf: Leaf | null): Promise<FolderRules | null> {
    if (leaf === null || !isFile(leaf)) return null;
    const bytes = Buffer.from(await this.#stored.bytes(leaf));
    return this.#options.rules(bytes.toString("utf8"));
  }

  /**
   * Approved changes that are not judged any more are done already, which is how a repeat after a
   * crash looks; everything that is still to do must be what was approved, to the letter.
   */
  async #refuseUnlessApproved(
    base: string,
    tree: string,
    {
      judged,
      approved,
    }: { readonly judged: readonly Judged[]; readonly approved: readonly FileChange[] },
  ): Promise<void> {
    const byPath = new Map(approved.map((change) => [change.path, change]));
    const changes = await changesBetween(this.#stored, base, tree);
    const possible = new Set(changes.map(({ path }) => path));
    const foreign = approved.find(({ path }) => !possible.has(path))?.path;
    if (foreign !== undefined) throw outdated(foreign);
    for (const change of judged) {
      if (!sameChange(await this.#shown(change), byPath.get(change.path))) {
        throw outdated(change.path);
      }
    }
  }

  async #writeOne(folder: UserFolder, change: TreeChange): Promise<void> {
    const { path, after } = change;
    const verdict = await folder.judge(change, false);
    if (verdict.kind === "done") return;
    if (verdict.kind === "conflict") throw outdated(path);
    try {
      if (after === null) await folder.remove(path);
      else if (isFile(after)) {
        await folder.write(path, await this.#stored.bytes(after), after.mode === "exec");
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

  #folder(): UserFolder {
    return new UserFolder(realpathSync(this.#options.workspace));
  }
}

function sameChange(left: FileChange, right: FileChange | undefined): boolean {
  return (
    left.path === right?.path &&
    left.change === right.change &&
    left.diff === right.diff &&
    left.binary === right.binary &&
    left.conflict === right.conflict &&
    left.guard === right.guard
  );
}

function outdated(path: string): CairnError {
  return new CairnError(
    "apply.conflict",
    `${path} in your folder is not what it was when the changes were approved; it is left as it is. Review the changes again.`,
  );
}
