import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import type { SkillLibrary } from "../core/ports.ts";
import type { ToolOutput } from "../core/records.ts";
import { defineTool, type Tool } from "../core/tool.ts";

const args = z.object({
  action: z
    .enum(["list", "read"])
    .describe("list: names and descriptions of all skills. read: the text of one of them."),
  skill: z.string().default("").describe("For read: the skill's name as list gave it."),
  path: z
    .string()
    .default("")
    .describe("For read: a file of the skill, relative to its SKILL.md. Left out: SKILL.md."),
});

/** Lets the model read procedures; it can do nothing with them but follow them. */
export function skillTool(library: SkillLibrary): Tool {
  return defineTool({
    name: "skill",
    description:
      "Skills are written procedures for this workspace. List them before you start, and read the one that fits the task.",
    args,
    effect: "none",
    what: ({ action, skill, path }) =>
      action === "list" ? "list skills" : `read skill ${skill} ${path}`.trimEnd(),
    run: async ({ action, skill, path }) =>
      action === "list" ? list(library) : read(library, skill, path),
  });
}

async function list(library: SkillLibrary): Promise<ToolOutput> {
  const skills = await library.list();
  if (skills.length === 0) return { ok: true, text: "There are no skills." };
  return {
    ok: true,
    text: skills.map(({ name, description }) => `${name}: ${description}`).join("\n"),
  };
}

async function read(library: SkillLibrary, skill: string, path: string): Promise<ToolOutput> {
  try {
    const found = await library.read(skill, path);
    if (found === null) return { ok: false, text: await notThere(library, skill, path) };
    const cut = found.truncated ? "\n… (the file is longer; this is its beginning)" : "";
    return { ok: true, text: found.text + cut };
  } catch (error) {
    if (!CairnError.is(error, "skills.unsafe")) throw error;
    return { ok: false, text: error.message };
  }
}

async function notThere(library: SkillLibrary, skill: string, path: string): Promise<string> {
  const names = (await library.list()).map(({ name }) => name);
  if (names.includes(skill)) return `The skill ${skill} has no file ${path}.`;
  const known = names.length === 0 ? "There are none." : `There are: ${names.join(", ")}.`;
  return `There is no skill ${JSON.stringify(skill)}. ${known}`;
}
