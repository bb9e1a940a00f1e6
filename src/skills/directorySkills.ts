import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { SkillLibrary } from "../core/ports.ts";
import { readPlain } from "./readSkillFolder.ts";

const maxSkills = 200;
const maxReadBytes = 100_000;
const maxDescription = 500;

const frontMatter = z.object({ description: z.string() });

/** Skills of a resolved directory: each folder with a SKILL.md, at the top or under `skills/`. */
export class DirectorySkills implements SkillLibrary {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** At most 200, sorted by name; a description is one line of at most 500 characters. */
  async list(): Promise<readonly { readonly name: string; readonly description: string }[]> {
    const skills: { name: string; description: string }[] = [];
    for (const [name, folder] of await this.#folders()) {
      const header = await this.#read(`${folder}/SKILL.md`);
      skills.push({ name, description: describe(header?.text ?? "") });
    }
    return skills;
  }

  /** Throws `skills.unsafe` for a path that leads out of the skill. */
  async read(
    skill: string,
    path: string,
  ): Promise<{ readonly text: string; readonly truncated: boolean } | null> {
    if (/^[/\\]|^[A-Za-z]:|\0/.test(path) || path.split(/[/\\]/).includes("..")) {
      throw new CairnError(
        "skills.unsafe",
        `${JSON.stringify(path)} is not a path inside the skill. Give one relative to its SKILL.md.`,
      );
    }
    const folder = (await this.#folders()).get(skill);
    if (folder === undefined) return null;
    return this.#read(`${folder}/${path === "" ? "SKILL.md" : path}`);
  }

  async #folders(): Promise<ReadonlyMap<string, string>> {
    const found: [string, string][] = [];
    for (const parent of ["", "skills/"]) {
      for (const name of await names(join(this.#directory, parent))) {
        if ((await this.#read(`${parent}${name}/SKILL.md`)) !== null)
          found.push([name, `${parent}${name}`]);
      }
    }
    found.sort(([left], [right]) => (left < right ? -1 : 1));
    return new Map(found.slice(0, maxSkills));
  }

  async #read(path: string): Promise<{ text: string; truncated: boolean } | null> {
    try {
      const root = await realpath(this.#directory);
      const bytes = await readPlain(root, path, maxReadBytes + 1);
      const truncated = bytes.length > maxReadBytes;
      // A character that the limit cuts in two is left out, which is what `stream` does.
      const text = new TextDecoder().decode(bytes.subarray(0, maxReadBytes), { stream: truncated });
      return { text, truncated };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }
}

function describe(skill: string): string {
  const header = /^---\r?\n(?<yaml>.*?)\r?\n---[ \t]*(?:\r?\n|$)/s.exec(skill)?.groups?.["yaml"];
  try {
    const { description } = frontMatter.parse(parse(header ?? "", { schema: "core" }));
    const line = description.replaceAll(/\s+/g, " ").trim();
    return line.length > maxDescription ? `${line.slice(0, maxDescription - 1)}…` : line;
  } catch {
    return "(its SKILL.md has no description)";
  }
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return ["ENOENT", "ENOTDIR", "EISDIR"].includes(String(error.code));
}
