import * as vscode from "vscode";
import { closeReplays } from "./closeReplays.ts";
import type { CommandParts } from "./commandParts.ts";
import { requireTrust } from "./folders.ts";
import type { KnownSession } from "./knownSessions.ts";
import { messageText } from "./messageText.ts";
import { shortened } from "./runs.ts";
import { readSettings, retentionOf } from "./settings.ts";

/** Checks everything that is stored, and says what is wrong with it. */
export async function verifyStore({ folders, log }: CommandParts): Promise<void> {
  requireTrust();
  const looked = await folders.withSessions();
  if (looked.length === 0) {
    void vscode.window.showInformationMessage("There are no sessions to verify.");
    return;
  }
  const problems = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Verifying every record and blob" },
    async () => {
      const found = [];
      for (const folder of looked) {
        const sessions = await folders.sessions(folder);
        for (const { session, reason } of await sessions.verify()) {
          found.push(`${folder.name} ${session}: ${reason}`.replace(" :", ":"));
        }
      }
      return found;
    },
  );
  const names = looked.map(({ name }) => name).join(", ");
  if (problems.length === 0) {
    log.write(`verified: everything that is stored in ${names} is sound`);
    void vscode.window.showInformationMessage(`Everything that is stored in ${names} is sound.`);
    return;
  }
  for (const problem of problems) log.write(`verified: ${problem}`);
  const [first = ""] = problems;
  const more = problems.length > 1 ? ` And ${problems.length - 1} more, in the log.` : "";
  const choice = await vscode.window.showWarningMessage(messageText(`${first}${more}`), "Show Log");
  if (choice !== undefined) log.show();
}

/** Deletes what the retention settings let go of, after showing it. */
export async function deleteOldSessions(parts: CommandParts): Promise<void> {
  const { folders, known, log } = parts;
  requireTrust();
  const policy = retentionOf(readSettings(null));
  if (policy === null) {
    const choice = await vscode.window.showInformationMessage(
      "All sessions are kept: set cairn.retention.days or cairn.retention.megabytes first.",
      "Open Settings",
    );
    if (choice !== undefined) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "cairn.retention");
    }
    return;
  }
  await known.refresh();
  const { maxAgeMs, maxBytes } = policy;
  const now = Date.now();
  const old = known.all.filter((one) => maxAgeMs !== null && isOlder(one, now - maxAgeMs));
  if (old.length === 0 && maxBytes === null) {
    void vscode.window.showInformationMessage("No session is old enough to be deleted.");
    return;
  }
  const sure = await vscode.window.showWarningMessage(
    "Delete old sessions?",
    { modal: true, detail: whatGoes(old, maxBytes) },
    "Delete Sessions",
  );
  if (sure === undefined) return;
  let gone = 0;
  for (const folder of await folders.withSessions()) {
    const sessions = await folders.sessions(folder);
    for (const { session, reason } of (await sessions.prune(policy)).removed) {
      log.write(`deleted ${session}: ${reason}`);
      known.forget(session);
      await closeReplays(session);
      gone += 1;
    }
  }
  await known.refresh();
  const sentence = gone === 1 ? "1 session was deleted." : `${gone} sessions were deleted.`;
  void vscode.window.showInformationMessage(sentence);
}

function isOlder({ status, held, lastAt }: KnownSession, before: number): boolean {
  return !held && status !== "running" && status !== "waiting" && lastAt < before;
}

function whatGoes(old: readonly KnownSession[], maxBytes: number | null): string {
  const shown = old.slice(0, 10).map((one) => {
    const day = new Date(one.lastAt).toLocaleDateString();
    return `• ${shortened(one.goal)} (${one.status}, ${day})`;
  });
  const more = old.length > shown.length ? [`• and ${old.length - shown.length} more`] : [];
  const size =
    maxBytes === null
      ? []
      : [
          `The oldest that have ended go, too, until the rest fits into ${maxBytes / 1_000_000} MB.`,
        ];
  const stays = "Sessions that run or wait stay. No byte of a deleted one is left in the store.";
  return [[...shown, ...more].join("\n"), ...size, stays]
    .filter((part) => part !== "")
    .join("\n\n");
}
