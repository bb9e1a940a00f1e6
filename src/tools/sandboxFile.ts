import type { Sandbox } from "../core/ports.ts";
import { holdsMarker } from "../core/redactedMark.ts";
import type { ToolRun } from "../core/tool.ts";
import { asArgument, runScript, type ScriptOutcome } from "./sandboxScript.ts";

const regular = `
[ -e "$1" ] || [ -L "$1" ] || fail "There is no file $1."
[ -d "$1" ] && fail "$1 is a folder; list_files shows what is in it."
[ -f "$1" ] || fail "$1 is not a regular file."
[ -r "$1" ] || fail "$1 may not be read."
`;

const read = `${regular}
cat "$1"
`;

/** What it is to replace is compared by its digest: nothing is lost that was written meanwhile. */
const write = `
if [ -d "$1" ]; then fail "$1 is a folder."; fi
if [ -e "$1" ] && [ ! -f "$1" ]; then fail "$1 is not a regular file."; fi
if [ -n "$2" ]; then
  read -r now rest <<<"$(sha256sum "$1")"
  [ "$now" = "$2" ] || fail "$1 was changed meanwhile; nothing was written. Read it again."
fi
mkdir -p "$(dirname "$1")" || fail "The folder of $1 cannot be made."
base64 -d >"$1" || fail "$1 cannot be written."
`;

/** The bytes of a file inside the sandbox. */
export async function readSandboxFile(
  sandbox: Sandbox,
  path: string,
  run: ToolRun & { readonly shown: string },
): Promise<ScriptOutcome> {
  const { shown } = run;
  return runScript(sandbox, { text: read, args: [asArgument(path)], shown }, run);
}

/** Replaces or makes a file inside the sandbox; `expected` is the SHA-256 of what is replaced, empty for anything. */
export async function writeSandboxFile(
  sandbox: Sandbox,
  {
    path,
    text,
    expected,
  }: { readonly path: string; readonly text: string; readonly expected: string },
  run: ToolRun & { readonly shown: string },
): Promise<ScriptOutcome> {
  const { shown } = run;
  const args = [asArgument(path), expected];
  return runScript(sandbox, { text: write, args, input: Buffer.from(text), shown }, run);
}

/** The text of a file; null when its bytes are no UTF-8 text. */
export function textOf(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Why a text is not written: what stands for a secret would take its place in the file. Null when it is. */
export function whyNotWritten(path: string, text: string): string | null {
  if (!holdsMarker(text)) return null;
  return `The text has a marker of Cairn, [redacted: ...], where a secret was taken out; in ${path} it would take the secret's place, so nothing was written. Change only what is around it with edit_file, or leave that part to the user.`;
}

export function notText(path: string): string {
  return `${path} is not a text file. Use exec to look at it.`;
}
