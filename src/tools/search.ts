import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import { asArgument, runScript, sandboxPath } from "./sandboxScript.ts";

const args = z.object({
  pattern: z
    .string()
    .min(1)
    .max(1000)
    .refine((pattern) => !/[\0\n]/.test(pattern), "A pattern is one line.")
    .describe("What to look for in lines: an extended regular expression, as of grep -E."),
  path: sandboxPath.default(".").describe("A file or folder, from /workspace on, or absolute."),
  files: z
    .string()
    .max(200)
    .default("")
    .describe("Only files whose name fits, for example *.ts. Left out: all."),
  literal: z.boolean().default(false).describe("The pattern is plain text."),
  ignoreCase: z.boolean().default(false),
});

const most = 200;
const longestLine = 300;

/** grep says by 1 that there is nothing, which is an answer. */
const search = `
[ -e "$2" ] || fail "There is no file or folder $2."
set -- "$1" "$2" "$3" "$4" --exclude-dir=.git --exclude-dir=node_modules
[ -z "$3" ] || set -- "$@" "--include=$3"
place=$2 pattern=$1 options=$4
shift 4
grep -rn $options "$@" -e "$pattern" -- "$place"
[ $? -le 1 ]
`;

/** Finds lines in the files of a folder. */
export function searchTool(sandbox: Sandbox): Tool {
  return defineTool({
    name: "search",
    description:
      "Finds lines in text files of the workspace, each as file:line:text. What is in .git and node_modules is left out.",
    args,
    effect: "reads",
    paths: ({ path }) => [path],
    what: ({ pattern, path }) => `search ${path} for ${pattern}`,
    run: async ({ pattern, path, files, literal, ignoreCase }, run) => {
      const options = `${literal ? "-F" : "-E"}${ignoreCase ? " -i" : ""}`;
      const script = {
        text: search,
        args: [pattern, asArgument(path), files, options],
        shown: `search ${path}`,
      };
      const found = await runScript(sandbox, script, run);
      if (!found.ok) return found;
      // What grep says of a file that is no text has no line number; the embedded one shows it.
      const lines = new TextDecoder()
        .decode(found.stdout)
        .split("\n")
        .filter((line) => /:\d+:/.test(line) && !line.includes("\0"));
      if (lines.length === 0 && found.stderr !== "") return { ok: false, text: found.stderr };
      if (lines.length === 0) return { ok: true, text: "Nothing was found." };
      const shown = lines.slice(0, most).map((line) => shortened(line.replace(/^\.\/+/, "")));
      const left = lines.length - most;
      const rest = left > 0 ? `\n[${left} more lines; narrow the search]` : "";
      return { ok: true, text: shown.join("\n") + rest };
    },
  });
}

function shortened(line: string): string {
  return line.length <= longestLine ? line : `${line.slice(0, longestLine)}…`;
}
