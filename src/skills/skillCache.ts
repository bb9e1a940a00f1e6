import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSkillFolder } from "./readSkillFolder.ts";
import { digestOf, type SkillFile } from "./skillFiles.ts";

export interface CachedSkills {
  readonly digest: string;
  readonly directory: string;
}

/**
 * Skills as plain files in folders named after the digest of what is in them. A folder is whole or
 * not there, never changes, and is read again before it is used: a changed one counts as not there.
 */
export class SkillCache {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async store(files: readonly SkillFile[]): Promise<CachedSkills> {
    const digest = digestOf(files);
    const cached = await this.find(digest);
    if (cached !== null) return cached;
    const directory = this.#directory(digest);
    const temporary = `${directory}.${randomBytes(6).toString("hex")}`;
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    try {
      for (const { path, text } of files) {
        const target = join(temporary, ...path.split("/"));
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, text, { flag: "wx", mode: 0o600 });
      }
      await rm(directory, { recursive: true, force: true });
      await rename(temporary, directory);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      // Another window may have stored the same skills at the same moment.
      const stored = await this.find(digest);
      if (stored === null) throw error;
    }
    return { digest, directory };
  }

  /** Null when the skills are not there, or not any more what their name says. */
  async find(digest: string): Promise<CachedSkills | null> {
    const directory = this.#directory(digest);
    try {
      const files = await readSkillFolder(directory);
      return digestOf(files) === digest ? { digest, directory } : null;
    } catch {
      return null;
    }
  }

  /** The skills that a commit was found to hold. */
  async findCommit(commit: string): Promise<CachedSkills | null> {
    try {
      const digest = await readFile(join(this.#path, "commits", commit), "utf8");
      return /^[0-9a-f]{64}$/.test(digest) ? await this.find(digest) : null;
    } catch {
      return null;
    }
  }

  async rememberCommit(commit: string, digest: string): Promise<void> {
    const path = join(this.#path, "commits", commit);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, digest, { mode: 0o600 });
  }

  /** A directory of the cache for a purpose of its own. */
  async place(...names: readonly string[]): Promise<string> {
    const path = join(this.#path, ...names);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }

  #directory(digest: string): string {
    return join(this.#path, "skills", digest);
  }
}
