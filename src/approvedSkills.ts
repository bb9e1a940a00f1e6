import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { ResolvedSkills } from "./core/ports.ts";
import type { SkillsInfo } from "./core/records.ts";
import type { FileChange } from "./core/waitSubject.ts";
import { readSkillFolder } from "./skills/readSkillFolder.ts";
import { SkillCache } from "./skills/skillCache.ts";
import { unifiedDiff } from "./snapshot/unifiedDiff.ts";

const approved = z.object({ digest: z.string(), commit: z.nullable(z.string()) });

/**
 * Which skills a source may give to sessions of a folder: the first that it gave, and later what
 * somebody approved. It lies with Cairn's own things, where neither the folder nor the source writes.
 */
export class ApprovedSkills {
  readonly #directory: string;
  readonly #folder: string;
  readonly #cache: SkillCache;

  /** `directory` is where it is kept, `cache` that of all skills. */
  constructor(directory: string, folder: string, cache: string) {
    this.#directory = directory;
    this.#folder = folder;
    this.#cache = new SkillCache(cache);
  }

  /** The skills, and what changed when they are not those that were approved. */
  async checked({ info, directory }: ResolvedSkills): Promise<SkillsInfo> {
    const before = await this.#read(info.source);
    if (before === null) await this.approve(info);
    if (before === null || before.digest === info.digest) return info;
    const known = await this.#cache.find(before.digest);
    const changes = await differences(known?.directory ?? null, directory);
    return { ...info, update: { from: before.commit ?? before.digest, changes } };
  }

  async approve({ source, digest, commit }: SkillsInfo): Promise<void> {
    const path = await this.#path(source);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const draft = `${path}.${process.pid}`;
    await writeFile(draft, JSON.stringify({ digest, commit }), { mode: 0o600 });
    await rename(draft, path);
  }

  async #read(source: string): Promise<z.infer<typeof approved> | null> {
    let text: string;
    try {
      text = await readFile(await this.#path(source), "utf8");
    } catch {
      return null;
    }
    // What is there and cannot be read approves nothing.
    const unreadable = { digest: "", commit: null };
    try {
      return approved.safeParse(JSON.parse(text)).data ?? unreadable;
    } catch {
      return unreadable;
    }
  }

  async #path(source: string): Promise<string> {
    const folder = await realpath(this.#folder).catch(() => this.#folder);
    const name = createHash("sha256").update(`${folder}\n${source}`).digest("hex");
    return join(this.#directory, `${name}.json`);
  }
}

/** Without the old text, which may be gone from the cache, everything is new. */
async function differences(from: string | null, to: string): Promise<FileChange[]> {
  const before = await textsOf(from);
  const after = await textsOf(to);
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return paths.flatMap((path) => {
    const old = before.get(path) ?? null;
    const now = after.get(path) ?? null;
    if (old === now) return [];
    const change = old === null ? "added" : now === null ? "deleted" : "modified";
    return [{ path, change, diff: unifiedDiff(path, old, now), binary: false, conflict: null }];
  });
}

async function textsOf(directory: string | null): Promise<ReadonlyMap<string, string>> {
  const files = directory === null ? [] : await readSkillFolder(directory);
  return new Map(files.map(({ path, text }) => [path, text]));
}
