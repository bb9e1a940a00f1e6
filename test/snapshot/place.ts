import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { readFolderRules as rules } from "../../src/rules/readFolderRules.ts";
import type { Blobs } from "../../src/snapshot/blobs.ts";
import { SnapshotTrees, type SnapshotOptions } from "../../src/snapshot/snapshotTrees.ts";
import { MemoryBlobs } from "../fakes/memoryBlobs.ts";

/** A user's folder and a session's tree side by side, with something next to them to protect. */
export class Place {
  readonly root: string;
  readonly workspace: string;
  readonly tree: string;
  readonly outside: string;
  readonly blobs = new MemoryBlobs();
  readonly trees: SnapshotTrees;

  constructor(context: TestContext, files: Readonly<Record<string, string | Buffer>> = {}) {
    this.root = mkdtempSync(join(tmpdir(), "cairn-snapshot-"));
    context.after(() => rmSync(this.root, { recursive: true, force: true }));
    this.workspace = join(this.root, "workspace");
    this.tree = join(this.root, "tree");
    this.outside = join(this.root, "outside");
    for (const folder of [this.workspace, this.tree, this.outside]) mkdirSync(folder);
    for (const [path, content] of Object.entries(files)) this.user(path, content);
    this.trees = this.open(this.blobs);
  }

  /** The same with more to say about what is copied. */
  openWith(more: Partial<SnapshotOptions>): SnapshotTrees {
    const { workspace, tree, blobs } = this;
    return new SnapshotTrees({ workspace, tree, blobs, owner: null, rules, ...more });
  }

  /** Another process over the same directories and blobs: it remembers nothing. */
  open(blobs: Blobs, maxFileBytes = 20 * 1024 * 1024): SnapshotTrees {
    const { workspace, tree } = this;
    return new SnapshotTrees({ workspace, tree, blobs, owner: null, rules, maxFileBytes });
  }

  /** The tree's digest, as the tree is now. */
  async capture(trees = this.trees): Promise<string> {
    return (await trees.capture()).tree;
  }

  /** Writes a file as the user would. */
  user(path: string, content: string | Buffer): void {
    write(join(this.workspace, path), content);
  }

  /** Writes a file as the agent would. */
  agent(path: string, content: string | Buffer): void {
    write(join(this.tree, path), content);
  }

  /** Everything in the tree, sorted. */
  treePaths(): readonly string[] {
    const paths = readdirSync(this.tree, { recursive: true, encoding: "utf8" });
    return paths.toSorted((left, right) => (left < right ? -1 : 1));
  }

  userText(path: string): string {
    return readFileSync(join(this.workspace, path), "utf8");
  }

  treeText(path: string): string {
    return readFileSync(join(this.tree, path), "utf8");
  }
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
