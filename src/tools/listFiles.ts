import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import { asArgument, runScript, sandboxPath } from "./sandboxScript.ts";

const args = z.object({
  path: sandboxPath.default(".").describe("A folder, from /workspace on, or absolute."),
  depth: z.int().min(1).max(20).default(2).describe("How many levels of folders to show."),
});

const most = 1000;

/** Folders whose content is named by themselves, not file by file. */
const list = `
[ -d "$1" ] || fail "There is no folder $1."
cd "$1" || fail "The folder $1 cannot be opened."
find . -mindepth 1 -maxdepth "$2" -type d \\( -name .git -o -name node_modules \\) -prune -print0 -o -mindepth 1 -maxdepth "$2" -type d -print0
printf '\\0'
find . -mindepth 1 -maxdepth "$2" -type d \\( -name .git -o -name node_modules \\) -prune -o -mindepth 1 -maxdepth "$2" ! -type d -print0
`;

/** Shows what is in a folder. */
export function listFilesTool(sandbox: Sandbox): Tool {
  return defineTool({
    name: "list_files",
    description:
      "Lists files and folders of the workspace; folders end with /. What is in .git and node_modules is left out.",
    args,
    effect: "reads",
    paths: ({ path }) => [path],
    what: ({ path, depth }) => `list ${path}, ${depth} deep`,
    run: async ({ path, depth }, run) => {
      const shown = `list_files ${path}`;
      const listed = await runScript(
        sandbox,
        { text: list, args: [asArgument(path), `${depth}`], shown },
        run,
      );
      if (!listed.ok) return listed;
      const [folders = "", files = ""] = new TextDecoder().decode(listed.stdout).split("\0\0");
      const names = [...namesOf(folders).map((name) => `${name}/`), ...namesOf(files)].toSorted();
      if (names.length === 0) return { ok: true, text: "[the folder is empty]" };
      const left = names.length - most;
      const rest = left > 0 ? `\n[${left} more; list a folder of it, or less deep]` : "";
      return { ok: true, text: names.slice(0, most).map(oneLine).join("\n") + rest };
    },
  });
}

function namesOf(text: string): readonly string[] {
  return text
    .split("\0")
    .filter((name) => name !== "")
    .map((name) => name.replace(/^\.\//, ""));
}

function oneLine(name: string): string {
  return name.includes("\n") ? JSON.stringify(name) : name;
}
