import { CairnError } from "../core/errors.ts";
import type { ResolvedSkills, SkillSource } from "../core/ports.ts";
import { readSkillFolder } from "./readSkillFolder.ts";
import { SkillCache } from "./skillCache.ts";

export interface LocalSkillsOptions {
  readonly directory: string;
  readonly cache: string;
}

/** Skills from a folder, copied so that what a session read cannot change under it. */
export class LocalSkills implements SkillSource {
  readonly #directory: string;
  readonly #cache: SkillCache;

  constructor(options: LocalSkillsOptions) {
    this.#directory = options.directory;
    this.#cache = new SkillCache(options.cache);
  }

  async resolve(): Promise<ResolvedSkills> {
    const { digest, directory } = await this.#cache.store(await this.#read());
    return { info: { source: this.#directory, commit: null, digest }, directory };
  }

  async #read(): ReturnType<typeof readSkillFolder> {
    try {
      return await readSkillFolder(this.#directory);
    } catch (error) {
      if (CairnError.is(error)) throw error;
      throw new CairnError(
        "skills.unavailable",
        `The skills folder ${this.#directory} cannot be read. Check that it exists and is readable.`,
        { cause: error },
      );
    }
  }
}
