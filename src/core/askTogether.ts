import type { Flow } from "./flow.ts";
import type { WaitSubject } from "./waitSubject.ts";
import { approval } from "./waits.ts";

/** More cards than this nobody reads: a whole `.git` is not approved file by file. */
export const mostCards = 20;

/** One of several approvals that are asked for at once. */
export interface Question {
  readonly wait: string;
  readonly question: string;
  readonly subject: WaitSubject;
}

/** `nothing`: the question was taken back, or its time was over. */
export type Said = "yes" | "no" | "nothing";

/** What was said, by wait. Throws `Parked` while one is open. */
export async function askTogether(
  flow: Flow,
  questions: readonly Question[],
): Promise<ReadonlyMap<string, Said>> {
  const said = await flow.parallel(
    questions.map(({ wait, question, subject }) => async (on: Flow): Promise<[string, Said]> => {
      const answer = await on.wait(wait, approval(question, subject));
      if (answer.ended !== null) return [wait, "nothing"];
      return [wait, answer.value.approved ? "yes" : "no"];
    }),
  );
  return new Map(said);
}
