import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import { whyNotWritten, writeSandboxFile } from "./sandboxFile.ts";
import { sandboxPath } from "./sandboxScript.ts";

const args = z.object({
  path: sandboxPath.describe("From /workspace on, or absolute."),
  content: z.string().max(4_000_000).describe("All of the file, as it is to be."),
});

/** Makes a file or replaces all of one. */
export function writeFileTool(sandbox: Sandbox): Tool {
  return defineTool({
    name: "write_file",
    description:
      "Makes a text file in the workspace with the folders that lead to it, or replaces all of one. To change a part of a file, use edit_file.",
    args,
    effect: "workspace",
    paths: ({ path }) => [path],
    what: ({ path, content }) => `write ${path}\n${content}`,
    run: async ({ path, content }, run) => {
      const refusal = whyNotWritten(path, content);
      if (refusal !== null) return { ok: false, text: refusal };
      const size = `${Buffer.byteLength(content)} bytes`;
      const written = await writeSandboxFile(
        sandbox,
        { path, text: content, expected: "" },
        { ...run, shown: `write_file ${path} (${size})` },
      );
      return written.ok ? { ok: true, text: `Wrote ${size} to ${path}.` } : written;
    },
  });
}
