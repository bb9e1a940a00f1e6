import { mkdtemp, rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { CairnError } from "../core/errors.ts";
import type { ResolvedSkills, SkillSource } from "../core/ports.ts";
import { GitRepository, maxContentBytes, type GitFile } from "./gitRepository.ts";
import { SkillCache, type CachedSkills } from "./skillCache.ts";
import {
  checkDistinct,
  checkPath,
  checkText,
  isHidden,
  maxFileBytes,
  unsafe,
  type SkillFile,
} from "./skillFiles.ts";

const commitId = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

export interface GitSkillsOptions {
  /** `https://…`, or `file://…` or an absolute path for a repository on this machine. */
  readonly url: string;
  /** A commit, which is pinned and needs no network once it is cached, or a branch or tag. */
  readonly ref: string;
  readonly cache: string;
}

/** Skills that are exactly the text files of one commit. */
export class GitSkills implements SkillSource {
  readonly #url: string;
  readonly #ref: string;
  readonly #protocol: "https" | "file";
  readonly #cache: SkillCache;

  /** Throws `skills.unsafe` for an address or a ref that could mean more than it says. */
  constructor(options: GitSkillsOptions) {
    this.#url = options.url;
    this.#ref = options.ref;
    this.#protocol = protocolOf(options.url);
    this.#cache = new SkillCache(options.cache);
    if (!/^[A-Za-z0-9][\w./-]*$/.test(options.ref) || options.ref.includes("..")) {
      throw new CairnError(
        "skills.unsafe",
        `${JSON.stringify(options.ref)} is not a commit, branch or tag. Write it after # as git shows it.`,
      );
    }
  }

  async resolve(): Promise<ResolvedSkills> {
    if (commitId.test(this.#ref)) {
      const cached = await this.#cache.findCommit(this.#ref);
      if (cached !== null) return this.#resolved(this.#ref, cached);
    }
    const home = await mkdtemp(join(await this.#cache.place("fetch"), "git-"));
    try {
      return await this.#fetch(new GitRepository(home, this.#protocol));
    } catch (error) {
      if (CairnError.is(error)) throw error;
      throw new CairnError(
        "skills.unavailable",
        `${this.#ref} cannot be fetched from ${this.#url}. Check the address, the name and the network, and that it needs no password.`,
        { cause: error, retryable: true },
      );
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }

  async #fetch(repository: GitRepository): Promise<ResolvedSkills> {
    const commit = await repository.fetch(this.#url, this.#ref);
    if (commitId.test(this.#ref) && commit !== this.#ref) {
      throw new CairnError(
        "skills.unsafe",
        `${this.#url} gave commit ${commit} for the pinned ${this.#ref}. Use another source.`,
      );
    }
    const all = await repository.files(commit);
    const nested = all.find(({ path }) => /(?:^|\/)\.git[\s.]*(?:\/|$)/i.test(path));
    if (nested !== undefined) throw unsafe(nested.path, "it is a repository inside the repository");
    const listed = all.filter(({ path }) => !isHidden(path));
    for (const file of listed) checkKind(file);
    checkDistinct(listed.map(({ path }) => path));
    if (listed.reduce((sum, { size }) => sum + size, 0) > maxContentBytes) {
      throw new CairnError(
        "skills.unsafe",
        `The skills at ${this.#url} are larger than ${maxContentBytes} bytes together. Use a smaller repository.`,
      );
    }
    const contents = await repository.read(listed);
    const files: SkillFile[] = [];
    for (const [position, bytes] of contents.entries()) {
      files.push(checkText(listed[position]?.path ?? "", bytes));
    }
    const cached = await this.#cache.store(files);
    await this.#cache.rememberCommit(commit, cached.digest);
    return this.#resolved(commit, cached);
  }

  #resolved(commit: string, { digest, directory }: CachedSkills): ResolvedSkills {
    return { info: { source: `git+${this.#url}#${this.#ref}`, commit, digest }, directory };
  }
}

function checkKind({ mode, path, size }: GitFile): void {
  checkPath(path);
  if (mode === "120000") throw unsafe(path, "it is a link");
  if (mode === "160000") throw unsafe(path, "it is a submodule");
  if (mode !== "100644") throw unsafe(path, "it is executable");
  if (size > maxFileBytes) throw unsafe(path, `it is larger than ${maxFileBytes} bytes`);
}

/** The one way this address may be reached. Names and passwords in it would end up in records. */
function protocolOf(url: string): "https" | "file" {
  if (/^https:\/\/[\w.:[\]-]+\/[\x21-\x5b\x5d-\x7e]+$/.test(url)) return "https";
  const path = url.startsWith("file://") ? url.slice("file://".length) : url;
  // eslint-disable-next-line no-control-regex -- a control character is what it looks for
  if (isAbsolute(path) && !/[\x00-\x1f\x7f]/.test(path)) return "file";
  throw new CairnError(
    "skills.unsafe",
    "Skills come from an https:// address without name or password, or from a repository on this machine by its absolute path. Change the address.",
  );
}
