import * as z from "zod";
import type { Sandbox } from "../core/ports.ts";
import type { ToolRun } from "../core/tool.ts";
import { commandEnding } from "./commandEnding.ts";

/** A path as the model gives it: from /workspace on, or absolute inside the sandbox. */
export const sandboxPath = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes("\0"), "A path has no NUL in it.");

export interface Script {
  /** Our own bash text; what comes from the model is only in `args` and `input`. */
  readonly text: string;
  readonly args: readonly string[];
  readonly input?: Uint8Array;
  /** What the log shows instead of the text. */
  readonly shown: string;
}

export type ScriptOutcome =
  | { readonly ok: true; readonly stdout: Uint8Array; readonly stderr: string }
  | { readonly ok: false; readonly text: string };

/** A function that the model's shell exports may have the name of a program; nothing else comes over. */
const prelude = `
\\unset -f base64 cat cd dirname find grep mkdir printf read set sha256sum shift 2>/dev/null
fail() { printf '%s\\n' "$1" >&2; exit 1; }
cd /workspace || exit
`;

/**
 * Runs a script of ours inside the sandbox, in a shell of its own, so that neither its directory
 * nor what the model's shell has redefined matters. What the script says on stderr as it fails is
 * one sentence for the model.
 */
export async function runScript(
  sandbox: Sandbox,
  script: Script,
  { signal, timeoutMs }: Pick<ToolRun, "signal" | "timeoutMs">,
): Promise<ScriptOutcome> {
  const { text, args, input = new Uint8Array(), shown } = script;
  const words = [prelude + text, "cairn", ...args].map(quoted).join(" ");
  const encoded = Buffer.from(input).toString("base64");
  const command = `BASH_ENV= bash -c ${words} <<'CAIRN'\n${encoded}\nCAIRN\n`;
  const result = await sandbox.run(command, { signal, timeoutMs, shown });
  signal.throwIfAborted();
  const stderr = new TextDecoder().decode(result.stderr).trim();
  if (result.status !== "exited") return { ok: false, text: commandEnding(result, timeoutMs) };
  if (result.exitCode !== 0) {
    return { ok: false, text: stderr === "" ? commandEnding(result, timeoutMs) : stderr };
  }
  if (result.truncated) {
    return { ok: false, text: "The result is larger than a megabyte. Narrow it, or use exec." };
  }
  return { ok: true, stdout: result.stdout, stderr };
}

/** A path that no program takes for an option. */
export function asArgument(path: string): string {
  return path.startsWith("/") ? path : `./${path}`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
