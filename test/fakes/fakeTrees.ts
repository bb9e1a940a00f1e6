import { createHash } from "node:crypto";
import type { Captured, Survey, WorkspaceTrees } from "../../src/core/ports.ts";
import type { TreeInfo } from "../../src/core/records.ts";
import type { FileChange } from "../../src/core/waitSubject.ts";

/** A workspace of one text: `content` is the session's copy, `user` the user's own. */
export class FakeTrees implements WorkspaceTrees {
  content = "";
  user = "original";
  seeds = 0;
  readonly restored: string[] = [];
  readonly #stored = new Map<string, string>();

  async seed(): Promise<TreeInfo> {
    this.seeds += 1;
    this.content = this.user;
    return { tree: this.#store(), files: 1, bytes: this.content.length, leftOut: [] };
  }

  async survey(): Promise<Survey> {
    return { files: 1, bytes: this.user.length, leftOut: [] };
  }

  async capture(): Promise<Captured> {
    return { tree: this.#store(), leftOut: [] };
  }

  async restore(tree: string): Promise<void> {
    this.restored.push(tree);
    this.content = this.#read(tree);
  }

  async diff(from: string, to: string): Promise<readonly FileChange[]> {
    if (from === to) return [];
    const diff = `-${this.#read(from)}\n+${this.#read(to)}`;
    return [{ path: "file", change: "modified", diff, binary: false, conflict: null }];
  }

  async plan(base: string, tree: string): Promise<readonly FileChange[]> {
    return this.user === this.#read(tree) ? [] : this.diff(base, tree);
  }

  async planBack(base: string, tree: string): Promise<readonly FileChange[]> {
    return this.plan(base, tree);
  }

  async keep(): Promise<string> {
    this.#stored.set("kept", this.user);
    return "kept";
  }

  async apply(_base: string, tree: string, _changes?: readonly FileChange[]): Promise<void> {
    this.user = this.#read(tree);
  }

  async list(): Promise<readonly string[]> {
    return ["file"];
  }

  async file(tree: string): Promise<Uint8Array> {
    return new TextEncoder().encode(this.#read(tree));
  }

  #store(): string {
    const tree = createHash("sha256").update(this.content).digest("hex");
    this.#stored.set(tree, this.content);
    return tree;
  }

  #read(tree: string): string {
    return this.#stored.get(tree) ?? "";
  }
}
