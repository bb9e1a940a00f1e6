import { resolve } from "node:path";
import type { SkillSource } from "../core/ports.ts";
import { GitSkills } from "./gitSkills.ts";
import { LocalSkills } from "./localSkills.ts";

/**
 * What a person writes for a source: a folder, `git+URL#ref`, or a URL that ends in `.git` with an
 * optional `#ref`. Without a ref it is the repository's default branch.
 */
export function parseSkillSource(text: string, options: { readonly cache: string }): SkillSource {
  const git = /^git\+(?<url>[^#]*)(?:#(?<ref>.*))?$|^(?<plain>[^#]*\.git)(?:#(?<named>.*))?$/s;
  const parts = git.exec(text)?.groups;
  const url = parts?.["url"] ?? parts?.["plain"];
  const isGit = parts?.["url"] !== undefined || (url?.includes("://") ?? text.includes("#"));
  if (url === undefined || !isGit) {
    return new LocalSkills({ directory: resolve(text), cache: options.cache });
  }
  return new GitSkills({ url, ref: parts?.["ref"] ?? parts?.["named"] ?? "HEAD", ...options });
}
