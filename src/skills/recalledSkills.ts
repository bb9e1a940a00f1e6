import { CairnError } from "../core/errors.ts";
import type { SkillLibrary } from "../core/ports.ts";
import { DirectorySkills } from "./directorySkills.ts";
import { SkillCache } from "./skillCache.ts";

/** The skills that a session was started with, by their digest: looked up when they are first read. */
export class RecalledSkills implements SkillLibrary {
  readonly #cache: string;
  readonly #digest: string;

  constructor(options: { readonly cache: string; readonly digest: string }) {
    this.#cache = options.cache;
    this.#digest = options.digest;
  }

  async list(): ReturnType<SkillLibrary["list"]> {
    return (await this.#directory()).list();
  }

  async read(skill: string, path: string): ReturnType<SkillLibrary["read"]> {
    return (await this.#directory()).read(skill, path);
  }

  async #directory(): Promise<DirectorySkills> {
    const cached = await new SkillCache(this.#cache).find(this.#digest);
    if (cached !== null) return new DirectorySkills(cached.directory);
    throw new CairnError(
      "skills.unavailable",
      `The skills of this session (${this.#digest.slice(0, 12)}) are not in the cache any more. Start a new session.`,
    );
  }
}
