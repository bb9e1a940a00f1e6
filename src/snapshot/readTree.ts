import type { BigIntStats } from "node:fs";
import { posix } from "node:path";
import { CairnError } from "../core/errors.ts";

import type { TreeInfo } from "../core/records.ts";
import type { Blobs } from "./blobs.ts";
import { errorCode } from "./errorCode.ts";
import type { HeldDirectory } from "./heldDirectory.ts";
import type { TreeEntry } from "./manifest.ts";
import { pacer } from "./pacer.ts";
import { isRemainder } from "./safeWrite.ts";
import { StatIndex } from "./statIndex.ts";

const maxDepth = 100;
const maxEntries = 200_000;
const batchFiles = 256;
const batchBytes = 8 * 1024 * 1024;

export interface ReadRules {
  readonly maxFileBytes: number;
  /** Names that are left out wherever they are, each with the reason. */
  readonly skip: ReadonlyMap<string, string>;
  /** Whether links that lead out of the tree are kept. They are never followed either way. */
  readonly outwardLinks: boolean;
}

export interface TreeReading {
  readonly entries: readonly TreeEntry[];
  readonly leftOut: TreeInfo["leftOut"];
  /** What to hand to the next reading of the same directory. */
  readonly index: StatIndex;
}

/**
 * Reads a directory into entries and stores what the index does not know yet. Resolves when every
 * byte is on disk. Throws `snapshot.unsafe` when something is swapped under it.
 */
export async function readTree(
  root: HeldDirectory,
  blobs: Pick<Blobs, "putBlobs">,
  rules: ReadRules,
  known: StatIndex,
): Promise<TreeReading> {
  const reader = new TreeReader(blobs, rules, known);
  await reader.directory(root, "", 0);
  await reader.flush();
  return reader;
}

interface Pending {
  readonly path: string;
  readonly mode: "file" | "exec";
  readonly stat: BigIntStats;
  readonly bytes: Uint8Array;
}

/** One reading: what it found, and the files whose bytes wait for the next batch. */
class TreeReader implements TreeReading {
  readonly entries: TreeEntry[] = [];
  readonly leftOut: { path: string; reason: string }[] = [];
  readonly index = new StatIndex();
  readonly #blobs: Pick<Blobs, "putBlobs">;
  readonly #rules: ReadRules;
  readonly #known: StatIndex;
  readonly #pace = pacer();
  #pending: Pending[] = [];
  #pendingBytes = 0;

  constructor(blobs: Pick<Blobs, "putBlobs">, rules: ReadRules, known: StatIndex) {
    this.#blobs = blobs;
    this.#rules = rules;
    this.#known = known;
  }

  async directory(directory: HeldDirectory, path: string, depth: number): Promise<void> {
    const before = this.#count();
    for (const raw of directory.names()) {
      const name = raw.toString();
      const inner = path === "" ? name : `${path}/${name}`;
      if (!Buffer.from(name).equals(raw)) {
        this.#leave(inner, "its name is not valid UTF-8");
      } else {
        await this.#name(directory, name, inner, depth);
      }
      await this.#pace();
    }
    if (path !== "" && this.#count() === before) this.entries.push({ path, mode: "directory" });
    if (this.#count() > maxEntries) {
      throw new CairnError(
        "snapshot.unsafe",
        `The folder holds more than ${maxEntries} files, too many to store. Remove generated files and try again.`,
      );
    }
  }

  async flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (pending.length === 0) return;
    const digests = await this.#blobs.putBlobs(pending.map(({ bytes }) => bytes));
    for (const [position, { path, mode, stat, bytes }] of pending.entries()) {
      const digest = digests[position];
      if (digest === undefined) throw new Error("putBlobs gave back fewer digests than blobs");
      this.entries.push({ path, mode, digest, size: bytes.length });
      this.index.remember(path, stat, digest);
    }
  }

  async #name(directory: HeldDirectory, name: string, path: string, depth: number): Promise<void> {
    const skip = this.#rules.skip.get(name);
    if (skip !== undefined) return this.#leave(path, skip);
    if (isRemainder(name)) return this.#leave(path, "an interrupted write left it behind");
    const stat = directory.stat(name);
    if (stat === null) return undefined;
    try {
      if (stat.isFile()) return await this.#file(directory, name, path, stat);
      if (stat.isSymbolicLink()) return this.#link(path, directory.link(name));
      if (!stat.isDirectory()) return this.#leave(path, "it is neither a file nor a folder");
      if (depth === maxDepth) return this.#leave(path, `more than ${maxDepth} folders deep`);
      return await directory.enter(name, async (child) => this.directory(child, path, depth + 1));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined; // gone since the listing
      if (errorCode(error) !== "EACCES") throw error;
      return this.#leave(path, "it cannot be read");
    }
  }

  async #file(
    directory: HeldDirectory,
    name: string,
    path: string,
    stat: BigIntStats,
  ): Promise<void> {
    if (stat.size > this.#rules.maxFileBytes) {
      return this.#leave(path, `it is larger than ${this.#rules.maxFileBytes} bytes`);
    }
    const mode = fileMode(stat);
    const digest = this.#known.digest(path, stat);
    if (digest !== null) {
      this.entries.push({ path, mode, digest, size: Number(stat.size) });
      this.index.carry(path, this.#known);
      return undefined;
    }
    const bytes = directory.read(name, stat);
    this.#pending.push({ path, mode, stat, bytes });
    this.#pendingBytes += bytes.length;
    if (this.#pending.length >= batchFiles || this.#pendingBytes >= batchBytes) await this.flush();
    return undefined;
  }

  #link(path: string, raw: Buffer): void {
    const target = raw.toString();
    if (!Buffer.from(target).equals(raw)) {
      this.#leave(path, "the link's target is not valid UTF-8");
    } else if (!this.#rules.outwardLinks && leadsOut(path, target)) {
      this.#leave(path, "the link leads out of the folder");
    } else {
      this.entries.push({ path, mode: "link", target });
    }
  }

  #leave(path: string, reason: string): void {
    this.leftOut.push({ path, reason });
  }

  #count(): number {
    return this.entries.length + this.#pending.length;
  }
}

/** A tree knows two kinds of files, as git does. */
export function fileMode(stat: BigIntStats): "file" | "exec" {
  return (stat.mode & 0o100n) === 0n ? "file" : "exec";
}

function leadsOut(path: string, target: string): boolean {
  if (posix.isAbsolute(target) || target.includes("\\")) return true;
  const end = posix.join(posix.dirname(path), target);
  return end === ".." || end.startsWith("../");
}
