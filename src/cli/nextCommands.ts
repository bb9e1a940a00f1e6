import { answerForms, suggestedAnswer } from "../core/answerText.ts";
import type { SessionRecord, SessionStatus } from "../core/records.ts";
import { viewOf, type OpenWait } from "../core/replay.ts";
import { plain } from "./plain.ts";

/** What a person does next, as sentences with commands that are ready to copy. */
export function nextCommands(
  status: SessionStatus,
  records: readonly SessionRecord[],
  workspace: string,
): readonly string[] {
  const { session, openWaits } = viewOf(records);
  switch (status) {
    case "waiting":
      return openWaits.map((wait) => waiting(wait, workspace));
    case "running":
      return [
        `Interrupted; nothing recorded is lost. Go on with: ${command("resume", workspace, session)}`,
      ];
    case "failed":
      return [`Go on from the failed step with: ${command("retry", workspace, session)}`];
    case "completed":
    case "cancelled":
      return [];
  }
}

function waiting(wait: OpenWait, workspace: string): string {
  const { session, waitKind } = wait;
  const suggested = suggestedAnswer(wait) || "TEXT";
  const lines = [
    `It waits for you. ${answerForms(wait)}`,
    command("answer", workspace, session, wait.wait, suggested),
  ];
  const canBeTakenBack = ["gate", "boolean", "text", "schema"].includes(waitKind);
  if (canBeTakenBack) lines.push(command("abort", workspace, session, wait.wait));
  return lines.join("\n  ");
}

function command(verb: string, workspace: string, ...words: readonly string[]): string {
  const folder = workspace === "." ? [] : ["--workspace", workspace];
  return plain(["cairn", verb, ...[...folder, ...words].map(quoted)].join(" "));
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
