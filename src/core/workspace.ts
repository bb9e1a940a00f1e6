import * as z from "zod";
import type { Flow } from "./flow.ts";
import type { SandboxHost, WorkspaceTrees } from "./ports.ts";
import { treeInfo, type LeftOut, type ToolOutput, type TreeInfo } from "./records.ts";

/** The step that copies the user's folder. */
export const baseStep = "workspace/base";

export interface WorkspaceParts {
  readonly trees: WorkspaceTrees;
  readonly sandbox: SandboxHost;
  /** Digest of the user's folder as named at the start; part of the first step's key. */
  readonly source: string;
  /** Where the session's shell begins. */
  readonly directory: string;
}

const withCwd = z.object({ cwd: z.string() });

/**
 * The session's copy of the workspace within one run of the session. The first change of a run
 * brings back exactly the tree that the records name, whatever a crash left behind.
 */
export class Workspace {
  /** The tree that the newest record left; the base tree before any change. */
  tree = "";
  /** The tree that the session started from, empty before the first change. */
  base = "";
  /** The directory of the session's shell, as of the newest result. */
  cwd: string;
  readonly #parts: WorkspaceParts;
  #seeding: Promise<TreeInfo> | null = null;
  #current = false;
  #announceNewShell = false;
  /** What the tree before did not have either: the model is told once. */
  #leftOut: ReadonlySet<string> = new Set();

  constructor(parts: WorkspaceParts) {
    this.#parts = parts;
    this.cwd = parts.directory;
  }

  /** Starts copying ahead of need, once `first` has resolved. A failure shows when the copy is needed. */
  prepare(first: Promise<void>): void {
    this.#copy(first).catch(() => {});
  }

  /** One copy at a time; one that failed can be tried again. */
  #copy(first: Promise<void>): Promise<TreeInfo> {
    this.#seeding ??= first
      .then(async () => this.#parts.trees.seed())
      .catch((error: unknown) => {
        this.#seeding = null;
        throw error;
      });
    return this.#seeding;
  }

  /** Resolves when no copy is being made: only then may the tree be removed. */
  async settled(): Promise<void> {
    await this.#seeding?.catch(() => {});
  }

  /**
   * A run of the flow starts from the top. `fresh` says that the tree and the shell are not those
   * of the run before: the first change then restores the recorded tree in a new shell, and the
   * model is told when it knew of an older one (`hadShell`).
   */
  begin(fresh: boolean, hadShell: boolean): void {
    this.tree = "";
    this.base = "";
    if (!fresh) return;
    this.#current = false;
    this.cwd = this.#parts.directory;
    this.#announceNewShell = hadShell;
  }

  /** Resolves when the base tree is on record; called before every change, first time or not. */
  async ready(flow: Flow): Promise<void> {
    if (this.base !== "") return;
    const info = await flow.step(
      baseStep,
      {
        kind: "workspace",
        label: "copy",
        inputs: { folder: this.#parts.source },
        output: treeInfo,
      },
      async () => this.#copy(Promise.resolve()),
    );
    this.base = info.tree;
    if (this.tree === "") this.tree = info.tree;
  }

  /** Runs one change and captures the tree it left, with everything inside held still. */
  async change(work: () => Promise<ToolOutput>): Promise<ToolOutput> {
    const { trees, sandbox } = this.#parts;
    await this.#bringBack();
    const output = await work();
    this.cwd = withCwd.safeParse(output.data).data?.cwd ?? this.cwd;
    const { tree, leftOut } = await sandbox.frozen(async () => trees.capture());
    const news = leftOut.filter(({ path }) => !this.#leftOut.has(path));
    this.#leftOut = new Set(leftOut.map(({ path }) => path));
    const notes = [
      ...(this.#announceNewShell ? [newShellNote] : []),
      output.text,
      ...(news.length === 0 ? [] : [leftOutNote(news)]),
    ];
    this.#announceNewShell = false;
    const text = notes.join("\n");
    return { ...output, text, tree, ...(leftOut.length === 0 ? {} : { leftOut: [...leftOut] }) };
  }

  /** Runs what only looks at the tree that the records name. */
  async look(work: () => Promise<ToolOutput>): Promise<ToolOutput> {
    await this.#bringBack();
    return work();
  }

  /** In what the session's shell differs from a clean one; empty while there is none. */
  async shellDiffers(): Promise<string> {
    return this.#current ? ((await this.#parts.sandbox.shellDiffers?.()) ?? "") : "";
  }

  async #bringBack(): Promise<void> {
    if (this.#current) return;
    await this.#parts.sandbox.stop();
    await this.#parts.trees.restore(this.tree);
    this.#current = true;
  }
}

function leftOutNote(news: readonly LeftOut[]): string {
  const shown = news.slice(0, 5).map(({ path, reason }) => `${path} (${reason})`);
  const more = news.length > 5 ? ` and ${news.length - 5} more` : "";
  return `[Not part of the checkpoint, so gone after going back to it: ${shown.join(", ")}${more}.]`;
}

const newShellNote =
  "[The session was resumed in a new shell: its working directory, variables and background jobs are gone. The files are as they were.]";
