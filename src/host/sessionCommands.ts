import * as vscode from "vscode";
import { chooseSession } from "./chooseSession.ts";
import { closeReplays } from "./closeReplays.ts";
import type { CommandParts } from "./commandParts.ts";
import { shortened } from "./runs.ts";

/** Starts a failed session again, from the step that failed. */
export async function retrySession(
  { known, runs }: CommandParts,
  argument: unknown,
): Promise<string | undefined> {
  const chosen = await chooseSession(known, argument, { states: ["failed"], verb: "retry" });
  if (chosen === undefined) return;
  const sessions = await known.sessionsOf(chosen.session);
  return runs.start(await sessions.retry(chosen.session));
}

/** Ends a session for good, after a question that says what stays. */
export async function cancelSession(
  { known, operator }: CommandParts,
  argument: unknown,
): Promise<void> {
  const states = ["running", "waiting", "interrupted"] as const;
  const chosen = await chooseSession(known, argument, { states, verb: "cancel" });
  if (chosen === undefined) return;
  const { session, goal } = chosen;
  const sure = await vscode.window.showWarningMessage(
    `Cancel the session “${shortened(goal)}”?`,
    {
      modal: true,
      detail:
        "It ends for good and asks nothing more. Its records, its replay and the changes in its copy stay, and nothing more is done to your folder.",
    },
    // A button that says "Cancel" beside it would be taken for it.
    { title: "Cancel Session" },
    { title: "Keep Session", isCloseAffordance: true },
  );
  if (sure === undefined || sure.isCloseAffordance === true) return;
  await (await known.sessionsOf(session)).cancel(session, operator.by("quickPick"));
  await known.refresh();
}

/** Deletes a session, after a question that says that nothing of it stays. */
export async function deleteSession({ known }: CommandParts, argument: unknown): Promise<void> {
  const states = [
    "waiting",
    "interrupted",
    "completed",
    "failed",
    "cancelled",
    "readOnly",
  ] as const;
  const chosen = await chooseSession(known, argument, { states, verb: "delete" });
  if (chosen === undefined) return;
  const { session, goal } = chosen;
  const sure = await vscode.window.showWarningMessage(
    `Delete the session “${shortened(goal)}”?`,
    {
      modal: true,
      detail:
        "No byte of its records, its outputs and its files is left in the store, and it cannot be brought back. A fork or a replay of it that has not ended cannot go on then. What it applied to your folder stays there.",
    },
    "Delete Session",
  );
  if (sure === undefined) return;
  await (await known.sessionsOf(session)).remove(session);
  known.forget(session);
  await closeReplays(session);
  await known.refresh();
}
