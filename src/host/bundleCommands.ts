import * as vscode from "vscode";
import * as z from "zod";
import { CairnError } from "../core/errors.ts";
import { chooseSession } from "./chooseSession.ts";
import type { CommandParts } from "./commandParts.ts";
import { requireTrust } from "./folders.ts";
import { showReplay } from "./showReplay.ts";

const filters = { "Cairn sessions": ["cairn.jsonl", "jsonl"] };

/** What a bundle says of itself, in its first line and in its last. */
const header = z.object({ redacted: z.record(z.string(), z.number()) });
const closing = z.object({
  end: z.object({ records: z.number(), blobs: z.number(), leftOut: z.number() }),
});

/** Writes a session into one file that can be looked at elsewhere; says what was left out of it. */
export async function exportSession(
  { known, log }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const chosen = await chooseSession(known, argument, { states: null, verb: "export" });
  if (chosen === undefined) return;
  const { session, folder } = chosen;
  const uri = await vscode.window.showSaveDialog({
    title: "Export Session",
    saveLabel: "Export",
    filters,
    defaultUri: vscode.Uri.joinPath(folder.uri, `session-${session}.cairn.jsonl`),
  });
  if (uri === undefined) return;
  const sessions = await known.sessionsOf(session);
  const lines: string[] = [];
  for await (const line of sessions.export(session)) lines.push(line);
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(lines.join("")));
  const sentence = whatIsInIt(lines);
  log.write(`exported ${session}: ${sentence}`);
  const choice = await vscode.window.showInformationMessage(sentence, "Open File");
  if (choice !== undefined) await vscode.commands.executeCommand("vscode.open", uri);
  return uri.toString();
}

/** Stores a session of elsewhere, to be looked at, and opens its replay. */
export async function importSession(parts: CommandParts): Promise<string | undefined> {
  const { folders, known, replays, log } = parts;
  const folder = await folders.choose("Folder that keeps the session");
  if (folder === undefined) return;
  requireTrust();
  const [file] =
    (await vscode.window.showOpenDialog({
      title: "Import Session",
      openLabel: "Import",
      filters,
      defaultUri: folder.uri,
      canSelectMany: false,
    })) ?? [];
  if (file === undefined) return;
  const text = textOf(await vscode.workspace.fs.readFile(file));
  const session = await (await folders.sessions(folder)).import(linesOf(text));
  log.write(`imported ${session}`);
  await known.refresh();
  await showReplay(replays, await known.get(session), null);
  void vscode.window.showInformationMessage(
    "The session is imported. It can be looked at, exported and deleted, not continued.",
  );
  return session;
}

function whatIsInIt(lines: readonly string[]): string {
  const { end } = closing.parse(JSON.parse(lines.at(-1) ?? ""));
  const redacted = Object.entries(header.parse(JSON.parse(lines[0] ?? "")).redacted);
  const written = `Exported ${count(end.records, "record")} and ${count(end.blobs, "file version")}.`;
  const kinds = redacted.map(([kind, times]) => `${times} × ${kind}`).join(", ");
  const out = [
    ...(redacted.length === 0 ? [] : [`secrets in records (${kinds})`]),
    ...(end.leftOut === 0 ? [] : [`${count(end.leftOut, "file version")} with a secret`]),
  ];
  return out.length === 0
    ? `${written} Nothing in it looked like a secret.`
    : `${written} Left out: ${out.join(" and ")}.`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new CairnError(
      "bundle.invalid",
      "The file is no text, so it is no exported session. Choose a .cairn.jsonl file; nothing was stored.",
      { cause: error },
    );
  }
}

/** Lines without their ends; what a file ends with is none. */
async function* linesOf(text: string): AsyncGenerator<string, void, void> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from);
    yield end === -1 ? text.slice(from) : text.slice(from, end);
    from = end === -1 ? text.length : end + 1;
  }
}
