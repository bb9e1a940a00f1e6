import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as vscode from "vscode";
import * as z from "zod";
import { recordBody, type SessionRecord } from "../../src/core/records.ts";

const storedRecord = recordBody.and(z.object({ session: z.string(), seq: z.number() }));

/** The extension under test, active. */
export async function cairn(): Promise<vscode.Extension<unknown>> {
  const extension = vscode.extensions.getExtension("cairn.cairn");
  assert(extension !== undefined, "the extension is not installed");
  await extension.activate();
  return extension;
}

export function workspaceFolder(): vscode.WorkspaceFolder {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert(folder !== undefined, "no folder is open");
  return folder;
}

/** Runs the command line on the open folder, as a process of its own; gives what it printed. */
export async function commandLine(...args: readonly string[]): Promise<string> {
  const { extensionPath } = await cairn();
  const all = [join(extensionPath, "dist", "cli.js"), ...args];
  all.push("--workspace", workspaceFolder().uri.fsPath, "--json");
  return new Promise((resolve) => {
    execFile(process.execPath, all, (_, stdout) => resolve(stdout));
  });
}

/** A session's records, read by another process. */
export async function recordsOf(session: string): Promise<readonly SessionRecord[]> {
  const lines = (await commandLine("show", session)).split("\n").filter((line) => line !== "");
  return lines.map((line) => storedRecord.parse(JSON.parse(line)));
}

export async function eventually<Value>(
  what: string,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    assert(Date.now() < deadline, `it never came: ${what}`);
    await delay(200);
  }
}
