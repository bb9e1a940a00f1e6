import * as z from "zod";
import { inDoubtAnswer } from "../core/inDoubt.ts";
import { decision, type Identity, type SessionRecord } from "../core/records.ts";
import type { OpenWait, SessionView } from "../core/replay.ts";
import { amount } from "../core/spending.ts";
import { inline } from "./plainMarkdown.ts";

type Answered = SessionView["answered"][number];

/** What was answered, by whom and where, one line each, in order. */
export function replayAnswers(
  { answered }: SessionView,
  records: readonly SessionRecord[],
): readonly string[] {
  const opened = new Map(
    records.flatMap((record) =>
      record.kind === "wait.opened" ? [[`${record.wait} ${record.digest}`, record]] : [],
    ),
  );
  return answered.map((answer) => {
    const { wait, digest, by } = answer;
    const words = inWords(answer, opened.get(`${wait} ${digest}`));
    return `- ${inline(wait)}, by ${whoAnswered(by)}: ${words}`;
  });
}

/** Who answered, and where. */
export function whoAnswered({ user, surface }: Identity): string {
  return `${inline(user)} (${surface === "quickPick" ? "palette" : surface})`;
}

function inWords({ answer, ended }: Answered, asked: OpenWait | undefined): string {
  if (ended === "aborted") return "the question was taken back";
  if (ended === "expired") return "nobody answered in time";
  const subject = asked?.subject;
  if (subject?.kind === "budget") {
    const { budget, used, limit, add } = subject;
    const approved = decision.safeParse(answer).data?.approved === true;
    const spent = `${amount(budget, used)} used of ${amount(budget, limit)}`;
    return approved ? `${spent}; ${amount(budget, add)} added` : `${spent}; stopped here`;
  }
  if (subject?.kind === "inDoubt") return doubt(answer, subject.observed ?? null);
  const decided = decision.safeParse(answer);
  if (decided.success) {
    const { approved, note } = decided.data;
    return (approved ? "approved" : "rejected") + (note === "" ? "" : `, ${inline(note)}`);
  }
  const text = z.string().safeParse(answer);
  return inline(text.success ? text.data : JSON.stringify(answer));
}

function doubt(answer: Answered["answer"], observed: string | null): string {
  const chosen = inDoubtAnswer.safeParse(answer).data;
  const seen = observed === null ? "" : ` (${inline(observed)})`;
  switch (chosen?.choice) {
    case "happened": {
      const { result } = chosen;
      const given =
        result === undefined ? "" : `, with the result ${inline(JSON.stringify(result))}`;
      return `it had happened${given}${seen}`;
    }
    case "runAgain":
      return `it was run again${seen}`;
    case "skip":
      return `it was skipped and left as it may be${seen}`;
    case "stop":
      return `stopped there${seen}`;
    case undefined:
      return inline(JSON.stringify(answer));
  }
}
