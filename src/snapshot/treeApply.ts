import { realpathSync } from "node:fs";
import { CairnError } from "../core/errors.ts";
import type { FileChange } from "../core/waitSubject.ts";
import { folderRules } from "../core/rule.ts";
import { ruleNews, type FolderRules } from "../core/ruleNews.ts";
import type { ToldRules } from "../core/toldRules.ts";
import type { Blobs } from "./blobs.ts";
import {
  contestedOf,
  ContestedFiles,
  outdated,
  overruled,
  type KeepRules,
} from "./contestedFiles.ts";
import { errorCode } from "./errorCode.ts";
import { guardOf, isKeptBack } from "./guardedPath.ts";
import type { StoredTrees } from "./storedTrees.ts";
import { changesBetween, showChange, shownAs, type TreeChange } from "./treeChange.ts";
import { isFile, type Leaf } from "./treeObject.ts";
import { ancestors, UserFolder, type Verdict } from "./userFolder.ts";

/** From which tree to which, and at which paths; null is everywhere. */
export interface Scope {
  readonly base: string;
  readonly tree: string;
  readonly only: readonly string[] | null;
}

interface Judging extends Scope {
  /** Changes that an approval let through although the user had changed the file. */
  readonly approved?: readonly FileChange[];
}

type Conflict = Extract<Verdict, { kind: "conflict" }>;

interface Judged extends TreeChange {
  readonly conflict: Conflict | null;
}

export interface ApplyOptions {
  readonly workspace: string;
  readonly blobs: Blobs;
  /** What of the user's own files may be kept, and so replaced. */
  readonly kept: KeepRules;
  /** What the text of a folder's file of rules would count as. */
  readonly rules: (text: string) => FolderRules;
}

/** Three-way, per file, from stored trees into the user's folder. */
export class TreeApply {
  readonly #stored: StoredTrees;
  readonly #options: ApplyOptions;
  readonly #contested: ContestedFiles;

  constructor(stored: StoredTrees, options: ApplyOptions) {
    this.#stored = stored;
    this.#options = options;
    this.#contested = new ContestedFiles(options.blobs, options.kept);
  }

  /** Every change that the user's folder does not hold yet, with what stands against it. */
  async plan(scope: Scope): Promise<readonly FileChange[]> {
    const shown: FileChange[] = [];
    for (const change of await this.#judge(scope)) shown.push(await this.#shown(change));
    return shown;
  }

  /** The same, where a conflict that an approval may overrule says so, and any other one why not. */
  async planBack(scope: Scope): Promise<readonly FileChange[]> {
    const folder = this.#folder();
    const shown: FileChange[] = [];
    for (const change of await this.#judge(scope)) {
      shown.push((await this.#contest(folder, change)) ?? (await this.#shown(change)));
    }
    return shown;
  }

  async keep(changes: readonly FileChange[]): Promise<string> {
    return this.#contested.keep(this.#folder(), changes);
  }

  /** Writes those of the approved changes that have no conflict, or are contested, and are not done yet. */
  async write(base: string, tree: string, approved: readonly FileChange[]): Promise<void> {
    const only = approved.map(({ path }) => path);
    const judged = await this.#judge({ base, tree, only, approved });
    await this.#refuseUnlessApproved(base, tree, { judged, approved });
    const allowed = judged.filter(({ conflict }) => conflict === null);
    const folder = this.#folder();
    // Deletions come first: a file may make room for a folder of the same name.
    const deletions = allowed.filter(({ after }) => after === null);
    for (const change of [...deletions, ...allowed.filter(({ after }) => after !== null)]) {
      await this.#writeOne(folder, change);
    }
  }

  async #judge({ base, tree, only, approved = [] }: Judging): Promise<readonly Judged[]> {
    const folder = this.#folder();
    const wanted = only === null ? null : new Set(only);
    const overrules = new Map(approved.map(({ path, contested }) => [path, contested]));
    const vacated = new Set<string>();
    const judged: Judged[] = [];
    for (const planned of await changesBetween(this.#stored, base, tree)) {
      const { path, after } = planned;
      if (isKeptBack(path) || wanted?.has(path) === false) continue;
      const contested = overrules.get(path);
      const change = contested === undefined ? planned : overruled(planned, contested);
      const free = ancestors(path).some((parent) => vacated.has(parent));
      const verdict = await folder.judge(change, free);
      if (verdict.kind === "apply" && after === null) vacated.add(path);
      if (verdict.kind === "done") continue;
      judged.push({ ...change, conflict: verdict.kind === "conflict" ? verdict : null });
    }
    return judged;
  }

  /** What an approval of its own would do to a file that the user changed; null where it may do nothing. */
  async #contest(folder: UserFolder, change: Judged): Promise<FileChange | null> {
    const { path, after, conflict } = change;
    if (conflict === null || conflict.lies === null) return null;
    // What rules would then hold is for the operator's own hand.
    if (path === folderRules) return null;
    const found = conflict.lies === "absent" ? null : await this.#contested.look(folder, path);
    const { reason } = conflict;
    if (found !== null && "reason" in found) {
      return { ...(await this.#shown(change)), conflict: `${reason} ${found.reason}` };
    }
    const now = after !== null && isFile(after) ? await this.#stored.bytes(after) : null;
    const yours = found?.entry ?? null;
    const shown = shownAs(
      { path, before: yours, after },
      { old: found?.bytes ?? null, now },
      this.#plain,
    );
    return { ...shown, conflict: reason, contested: contestedOf(change, yours) };
  }

  async #shown(change: Judged): Promise<FileChange> {
    const shown = await showChange(change, this.#stored, this.#plain);
    const { path } = change;
    const conflict = change.conflict?.reason ?? null;
    const guard = conflict === null ? await guardOf(change, this.#stored) : null;
    if (guard === null) return { ...shown, conflict };
    if (path !== folderRules) return { ...shown, conflict, guard };
    return { ...shown, conflict, guard, rules: await this.#rules(change) };
  }

  async #rules({ before, after }: TreeChange): Promise<ToldRules> {
    const news = ruleNews(await this.#read(before), await this.#read(after));
    return { ...news, says: news.says.map((text) => this.#plain(text)) };
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
      const { path } = change;
      const given = byPath.get(path);
      const isApproved =
        given?.contested === undefined
          ? sameChange(await this.#shown(change), given)
          : change.conflict === null && (await this.#contested.mayReplace(change, given.contested));
      if (!isApproved) throw outdated(path);
    }
  }

  async #writeOne(folder: UserFolder, change: TreeChange): Promise<void> {
    const { path, after } = change;
    const isDeleted = after === null || !isFile(after);
    const content = isDeleted
      ? null
      : { bytes: await this.#stored.bytes(after), exec: after.mode === "exec" };
    try {
      const { kind } = await folder.bring(change, content);
      if (kind === "conflict") throw outdated(path);
    } catch (error) {
      if (!["EROFS", "EACCES", "EPERM"].includes(errorCode(error) ?? "")) throw error;
      throw new CairnError(
        "apply.readOnly",
        `${path} cannot be written: it or its folder is read-only. Make it writable and apply again; what is applied already stays.`,
        { cause: error, retryable: true },
      );
    }
  }

  /** Takes secrets out of what is shown. */
  get #plain(): (text: string) => string {
    return this.#options.kept.secrets.text;
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
