import * as vscode from "vscode";
import type { KnownSession, KnownSessions } from "./knownSessions.ts";
import { shortened } from "./runs.ts";

/** Lets the person choose a session in one of some states; says so when there is none. */
export async function pickSession(
  known: KnownSessions,
  filter: { readonly states: readonly KnownSession["state"][] | null; readonly verb: string },
): Promise<KnownSession | undefined> {
  const { states, verb } = filter;
  const fitting = known.all.filter(({ state }) => states === null || states.includes(state));
  if (fitting.length === 0) {
    void vscode.window.showInformationMessage(`There is no session to ${verb}.`);
    return undefined;
  }
  const items = fitting.map((one) => ({
    label: shortened(one.goal),
    description: one.state,
    detail: `${new Date(one.startedAt).toLocaleString()} · ${one.session}`,
    one,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    placeHolder: `Session to ${verb}`,
    matchOnDetail: true,
  });
  return picked?.one;
}
