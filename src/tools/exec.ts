import * as z from "zod";
import type { ExecResult, Sandbox } from "../core/ports.ts";
import type { JsonValue, ToolOutput } from "../core/records.ts";
import { defineTool, type Tool } from "../core/tool.ts";
import { commandEnding } from "./commandEnding.ts";

const args = z.object({
  command: z.string().min(1).describe("Shell text, run by bash in the session's one shell."),
});

/** How much of one stream the model is shown; people open the full output. */
const shownCharacters = 16_000;

const noNetwork = "There is no standard input and no network.";
const byRules =
  "There is no standard input. The network is a proxy that lets out what rules allow; the operator is asked about what it refuses once the command has ended, and then you run the command again.";

/**
 * Runs shell text in the sandbox. Everything a command can do is a result, never an exception.
 * `leaves`: whether it has a way out.
 */
export function execTool(sandbox: Sandbox, leaves = false): Tool {
  return defineTool({
    name: "exec",
    description: `Runs a bash command in a sandbox on a copy of the workspace, in one persistent shell: cd, variables and functions hold for the next call. ${leaves ? byRules : noNetwork}`,
    args,
    effect: "workspace",
    what: ({ command }) => command,
    command: ({ command }) => command,
    run: async ({ command }, { signal, timeoutMs, alone }) => {
      const result =
        alone === undefined
          ? await sandbox.run(command, { signal, timeoutMs })
          : await sandbox.execute(alone.parts, { signal, timeoutMs, cwd: alone.cwd });
      signal.throwIfAborted();
      return outputOf(result, timeoutMs, alone !== undefined);
    },
  });
}

function outputOf(result: ExecResult, timeoutMs: number, alone: boolean): ToolOutput {
  const stdout = new TextDecoder().decode(result.stdout);
  const stderr = new TextDecoder().decode(result.stderr);
  const parts = [
    shown(stdout),
    stderr === "" ? "" : `[stderr]\n${shown(stderr)}`,
    commandEnding(result, timeoutMs),
  ];
  const data: JsonValue = {
    status: result.status,
    exitCode: result.exitCode,
    cwd: result.cwd,
    truncated: result.truncated,
    fullOutput: result.fullOutput,
    // It ran as words, beside the session's shell.
    ...(alone ? { alone } : {}),
    ...(result.outOfMemory === true ? { outOfMemory: true } : {}),
  };
  const text = parts.filter((part) => part !== "").join("\n");
  return { text, ok: result.status === "exited" && result.exitCode === 0, data };
}

/** Head and tail, with a counter for what is between them. */
function shown(text: string): string {
  const trimmed = text.endsWith("\n") ? text.slice(0, -1) : text;
  if (trimmed.length <= shownCharacters) return trimmed;
  const half = shownCharacters / 2;
  const left = trimmed.length - shownCharacters;
  return `${trimmed.slice(0, half)}\n[… ${left} characters left out …]\n${trimmed.slice(-half)}`;
}
