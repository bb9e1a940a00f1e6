import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import { notText, readSandboxFile, textOf } from "./sandboxFile.ts";
import { sandboxPath } from "./sandboxScript.ts";

const args = z.object({
  path: sandboxPath.describe("From /workspace on, or absolute."),
  from: z.int().min(1).default(1).describe("The first line to show; 1 is the file's first."),
  lines: z.int().min(1).max(5000).default(1000).describe("How many lines to show at most."),
});

const shownCharacters = 40_000;

/** Shows a text file, or a part of it by lines. */
export function readFileTool(sandbox: Sandbox): Tool {
  return defineTool({
    name: "read_file",
    description:
      "Shows a text file of the workspace, exactly as it is. For a long one, give the lines that you want.",
    args,
    effect: "reads",
    paths: ({ path }) => [path],
    what: ({ path, from, lines }) =>
      from === 1 ? `read ${path}` : `read ${path}, ${lines} lines from ${from} on`,
    run: async ({ path, from, lines }, run) => {
      const read = await readSandboxFile(sandbox, path, { ...run, shown: `read_file ${path}` });
      if (!read.ok) return read;
      const text = textOf(read.stdout);
      if (text === null) return { ok: false, text: notText(path) };
      return part(text, from, lines);
    },
  });
}

function part(text: string, from: number, most: number): { ok: boolean; text: string } {
  // The end of the last line begins no other one.
  const all = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  const number = text === "" ? 0 : all.length;
  if (from > Math.max(number, 1)) {
    return { ok: false, text: `The file has ${number} lines; there is none from ${from} on.` };
  }
  const kept: string[] = [];
  let room = shownCharacters;
  for (const line of all.slice(from - 1, from - 1 + most)) {
    if (line.length > room && kept.length > 0) break;
    kept.push(line.slice(0, shownCharacters));
    room -= line.length;
  }
  const whole = kept.length === all.length && room >= 0;
  if (whole) return { ok: true, text: number === 0 ? "[the file is empty]" : kept.join("\n") };
  const last = from + kept.length - 1;
  const more = last < number ? ` Go on from ${last + 1}.` : "";
  const cut = room < 0 ? ` Line ${from} is cut after ${shownCharacters} characters.` : "";
  return {
    ok: true,
    text: `${kept.join("\n")}\n[lines ${from} to ${last} of ${number}.${more}${cut}]`,
  };
}
