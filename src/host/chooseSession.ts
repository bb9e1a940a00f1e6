import * as vscode from "vscode";
import * as z from "zod";
import { requireTrust } from "./folders.ts";
import type { KnownSession, KnownSessions } from "./knownSessions.ts";
import { choiceText } from "./messageText.ts";
import { shortened } from "./runs.ts";

/** Which sessions fit a command; null for all. */
export interface SessionFilter {
  readonly states: readonly KnownSession["state"][] | null;
  /** What is to be done, as it reads in "Session to …". */
  readonly verb: string;
}

const target = z.object({ session: z.string() });

/** The session that a view, a lens or a program handed in, or the one that the person picks. */
export async function chooseSession(
  known: KnownSessions,
  argument: unknown,
  filter: SessionFilter,
): Promise<KnownSession | undefined> {
  requireTrust();
  const given = target.safeParse(argument);
  if (given.success) return known.get(given.data.session);
  await known.refresh();
  return pick(known, filter);
}

/** Says so when there is none. */
async function pick(
  known: KnownSessions,
  { states, verb }: SessionFilter,
): Promise<KnownSession | undefined> {
  const fitting = known.all.filter(({ state }) => states === null || states.includes(state));
  if (fitting.length === 0) {
    void vscode.window.showInformationMessage(`There is no session to ${verb}.`);
    return undefined;
  }
  const items = fitting.map((one) => ({
    label: choiceText(shortened(one.goal)),
    description: stateInWords(one),
    detail: `${new Date(one.startedAt).toLocaleString()} · ${one.session}`,
    one,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    placeHolder: `Session to ${verb}`,
    matchOnDetail: true,
  });
  return picked?.one;
}

/** How a session stands, for people. */
export function stateInWords({ madeBy, state, status }: KnownSession): string {
  const words = state === "readOnly" ? `read-only, ${status}` : state;
  return madeBy === null ? words : `${madeBy}, ${words}`;
}
