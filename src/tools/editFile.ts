import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import {
  notText,
  readSandboxFile,
  textOf,
  whyNotWritten,
  writeSandboxFile,
} from "./sandboxFile.ts";
import { sandboxPath } from "./sandboxScript.ts";

const args = z.object({
  path: sandboxPath.describe("From /workspace on, or absolute."),
  old: z
    .string()
    .min(1)
    .describe(
      "Text of the file to replace, to the letter, with enough around it to be the only one.",
    ),
  new: z.string().describe("What stands there afterwards."),
  all: z.boolean().default(false).describe("Replace every occurrence."),
});

/** Replaces text in a file; refused when it is not there, or when it could mean several places. */
export function editFileTool(sandbox: Sandbox): Tool {
  return defineTool({
    name: "edit_file",
    description:
      "Replaces a piece of a text file that is given to the letter, spaces and line ends too. Nothing is changed when it is not there, or is there more than once without `all`.",
    args,
    effect: "workspace",
    paths: ({ path }) => [path],
    what: ({ path, old, new: replacement, all }) =>
      `edit ${path}${all ? ", every occurrence" : ""}\n${marked("-", old)}\n${marked("+", replacement)}`,
    run: async ({ path, old, new: replacement, all }, run) => {
      const refusal = whyNotWritten(path, old + replacement);
      if (refusal !== null) return { ok: false, text: refusal };
      const shown = `edit_file ${path}`;
      const read = await readSandboxFile(sandbox, path, { ...run, shown });
      if (!read.ok) return read;
      const text = textOf(read.stdout);
      if (text === null) return { ok: false, text: notText(path) };
      const pieces = text.split(old);
      const times = pieces.length - 1;
      if (times === 0) return { ok: false, text: absent(path, text, old) };
      if (times > 1 && !all) {
        return {
          ok: false,
          text: `The old text stands ${times} times in ${path}; nothing was changed. Give more of what is around it, or set all.`,
        };
      }
      const expected = await sha256(read.stdout);
      const edited = { path, text: pieces.join(replacement), expected };
      const written = await writeSandboxFile(sandbox, edited, { ...run, shown });
      if (!written.ok) return written;
      const line = (pieces[0] ?? "").split("\n").length;
      const where = times === 1 ? `in line ${line}` : `${times} times, first in line ${line}`;
      return { ok: true, text: `Replaced ${where} of ${path}.` };
    },
  });
}

function absent(path: string, text: string, old: string): string {
  const nearly = loose(text).includes(loose(old));
  const hint = nearly ? " It is there with other spaces or line ends." : "";
  return `The old text is not in ${path}; nothing was changed.${hint} Read the file and give it to the letter.`;
}

function loose(words: string): string {
  return words.replaceAll(/\s+/g, " ");
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return Buffer.from(digest).toString("hex");
}

function marked(mark: string, text: string): string {
  return text
    .split("\n")
    .map((line) => `${mark}${line}`)
    .join("\n");
}
