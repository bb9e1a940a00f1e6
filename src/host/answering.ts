import type { Identity } from "../core/records.ts";
import type { Answer } from "../core/waitAnswer.ts";
import type { KnownSessions } from "./knownSessions.ts";
import type { Operator } from "./operator.ts";
import type { Runs } from "./runs.ts";

export interface AnsweringParts {
  readonly known: KnownSessions;
  readonly runs: Runs;
  readonly operator: Operator;
}

/** Gives an answer in the name of who sits here. Resolves when what it set going ended or parked. Throws `wait.*`, `session.*`. */
export async function giveAnswer(
  { known, runs, operator }: AnsweringParts,
  session: string,
  answer: Omit<Answer, "by"> & { readonly surface: Identity["surface"] },
): Promise<void> {
  const { surface, ...given } = answer;
  const sessions = await known.sessionsOf(session);
  await runs.follow(await sessions.answer(session, { ...given, by: operator.by(surface) }));
}
