import * as vscode from "vscode";
import {
  findingInWords,
  type AuditFinding,
  type AuditHistory,
  type AuditReport,
} from "../core/audit.ts";
import type { Log } from "../core/ports.ts";
import type { CommandParts } from "./commandParts.ts";
import { readSettings } from "./settings.ts";

const dayMs = 24 * 60 * 60_000;

/** Checks the audit log of all folders, and says what is wrong with it; the report can be opened. */
export async function verifyAuditLog({
  audit,
  log,
}: Pick<CommandParts, "audit" | "log">): Promise<AuditReport> {
  const report = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Verifying the audit log" },
    async () => audit.verify(),
  );
  const sentence = sentenceOf(report);
  log.write(`audit log: ${sentence}`);
  void show(report, sentence);
  return report;
}

async function show(report: AuditReport, sentence: string): Promise<void> {
  const open = "Open Report";
  const choice =
    report.damage.length === 0
      ? await vscode.window.showInformationMessage(sentence, open)
      : await vscode.window.showWarningMessage(sentence, open);
  if (choice === undefined) return;
  const content = reportText(report);
  const document = await vscode.workspace.openTextDocument({ language: "plaintext", content });
  await vscode.window.showTextDocument(document, { preview: true });
}

function sentenceOf({ damage, entries, files }: AuditReport): string {
  const [first] = damage;
  if (first === undefined) return `The audit log is sound: ${entries} entries in ${files} files.`;
  const more = damage.length > 1 ? ` And ${damage.length - 1} more, in the report.` : "";
  return `The audit log is damaged: ${findingInWords(first)}.${more}`;
}

/** All that was found, one line each. */
export function reportText(report: AuditReport): string {
  const { directory, damage, remarks, entries, files } = report;
  return [
    `The audit log is ${damage.length === 0 ? "sound" : "damaged"}: ${entries} entries in ${files} files.`,
    `It lies in ${directory}.`,
    ...part("What only somebody's hand or a broken disk can do:", damage),
    ...part("What crashes leave, which is no damage:", remarks),
    "",
  ].join("\n");
}

function part(title: string, findings: readonly AuditFinding[]): readonly string[] {
  if (findings.length === 0) return [];
  return ["", title, "", ...findings.map((finding) => `- ${findingInWords(finding)}`)];
}

/** Lets go of what the retention setting lets go of. What it did is in the log. Never throws. */
export async function pruneAuditQuietly(audit: AuditHistory, log: Log): Promise<void> {
  try {
    const days = readSettings(null)["audit.retentionDays"];
    if (days === 0) return;
    const removed = await audit.prune(Date.now() - days * dayMs);
    if (removed > 0) log(`${removed} files of the audit log were removed by age`);
  } catch (error) {
    log(`the audit log was not pruned: ${error instanceof Error ? error.message : String(error)}`);
  }
}
